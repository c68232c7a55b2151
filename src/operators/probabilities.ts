import { z } from 'zod';
import { volumeOf, withVolumes } from '../case.js';
import { DataError, show } from '../errors.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import { probabilitiesOf } from '../volume/probabilities.js';
import { operator } from './define.js';
import { bytesOf, foresee, type VolumeForecast } from './forecast.js';
import { mapCase } from './map.js';

const probabilitiesTask = task(new URL('../volume/probabilities.js', import.meta.url), probabilitiesOf);

/**
 * Adds the probabilities of a prediction on the grid on which another volume was read, as nnU-Net saves them:
 * logits are interpolated, and softmax (or the logistic function) follows. Voxels that were cropped away are
 * background with probability 1. The logits stay.
 *
 * Put it behind `inference` and before `invert`. It holds all classes on the grid of the file three times
 * while it runs (voxels x classes x 12 bytes), and once afterwards. Memory estimates count it.
 *
 * @throws DataError, on the stream, if the volume does not hold logits on the grid of `like`.
 */
export const probabilities = operator({
  name: 'probabilities',
  summary: 'Adds the probabilities of a prediction on the grid of the file, as nnU-Net saves them.',
  options: {
    key: z.string().min(1).default('pred').describe('The logits'),
    output: z.string().min(1).default('probabilities').describe('The key of the probabilities'),
    like: z.string().default('image').describe('The volume whose geometric steps are undone'),
    regions: z
      .boolean()
      .default(false)
      .describe('Channels are overlapping regions (sigmoid) instead of classes (softmax)'),
  },
  example: {},
  forecast:
    ({ key, output, like }) =>
    (subject) => {
      const logits = subject.volumes[key];
      if (!logits) return subject;
      const [first] = subject.volumes[like]?.history ?? [];
      const made: VolumeForecast = { ...logits, ...first?.from, kind: 'probability', history: [] };
      // The interpolated logits, and the probabilities before they are put into the whole volume.
      return foresee(subject, { [output]: made }, 2 * bytesOf(made));
    },
  create: ({ key, output, like, regions }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const logits = volumeOf(subject, key);
      const reference = volumeOf(subject, like);
      if (logits.kind !== 'logits' || !sameGrid(logits, reference)) {
        throw new DataError(
          `probabilities: ${key} of case ${subject.id} must hold logits on the grid of ${like} (size ` +
            `${show(reference.size)}), but it holds ${logits.kind} values of size ${show(logits.size)}. Put the step ` +
            'directly behind inference.',
        );
      }
      const made = await context.runtime.run(probabilitiesTask, logits, reference.history, regions);
      return withVolumes(subject, { [output]: made });
    }),
});
