import { z } from 'zod';
import { volumeOf, withMetrics, withVolumes } from '../case.js';
import { DataError } from '../errors.js';
import type { MetricDescription } from '../metrics/metric.js';
import { task } from '../runtime/task.js';
import { entropyOf } from '../volume/entropy.js';
import { operator } from './define.js';
import { foresee } from './forecast.js';
import { mapCase } from './map.js';

const entropyTask = task(new URL('../volume/entropy.js', import.meta.url), entropyOf);

const metric: MetricDescription = {
  name: 'uncertainty',
  title: 'Uncertainty',
  better: 'lower',
  range: [0, 1],
  mean: false,
};

/**
 * Measures how uncertain a prediction is from its logits: the entropy of the probabilities in each voxel,
 * from 0 (certain) to 1 (all classes are equally likely). Adds the column `uncertainty`, the mean over the
 * voxels that are not background (NaN if there are none), and the entropies as a volume on the grid of the
 * logits.
 *
 * Put it behind `inference` and before `activations` or `invert`. With `mirror` or several models in
 * `inference`, the logits are their mean. The logits of all classes are held on the grid of the network:
 * voxels x classes x 4 bytes, which the memory estimate of a case counts.
 *
 * @throws DataError, on the stream, if the volume does not hold logits of two channels or more.
 */
export const uncertainty = operator({
  name: 'uncertainty',
  summary: "Measures how uncertain a prediction is: the entropy of the model's probabilities.",
  options: {
    key: z.string().min(1).default('pred').describe('The logits'),
    output: z.string().min(1).default('uncertainty').describe('The key of the volume of entropies'),
    regions: z
      .boolean()
      .default(false)
      .describe('Channels are overlapping regions (sigmoid) instead of classes (softmax)'),
  },
  example: { output: 'uncertainty' },
  forecast:
    ({ key, output }) =>
    (subject) => {
      const logits = subject.volumes[key];
      if (!logits) return subject;
      return foresee(subject, {
        [output]: { ...logits, channels: 1, bytesPerVoxel: 4, kind: 'probability' },
      });
    },
  create: ({ key, output, regions }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const logits = volumeOf(subject, key);
      if (logits.kind !== 'logits' || (logits.channels < 2 && !regions)) {
        throw new DataError(
          `uncertainty: ${key} of case ${subject.id} has ${logits.channels} channel(s) of kind ${logits.kind}, but ` +
            'logits of two classes or more are expected. Put the step directly behind inference.',
        );
      }
      const { entropy, mean } = await context.runtime.run(entropyTask, logits, regions);
      const measured = withMetrics(subject, [{ metric, label: null, value: mean }]);
      return withVolumes(measured, { [output]: entropy });
    }),
});
