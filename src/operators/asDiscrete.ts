import { z } from 'zod';
import { intensity, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { argmax, oneHot, round, threshold } from '../volume/classes.js';
import type { Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapVolumes } from './map.js';

const module = new URL('../volume/classes.js', import.meta.url);
const argmaxTask = task(module, argmax);
const oneHotTask = task(module, oneHot);
const thresholdTask = task(module, threshold);
const roundTask = task(module, round);

/**
 * Converts probabilities or logits to labels, or labels to channels. `argmax` returns one channel that holds
 * the index of the largest channel; ties go to the lower index. `toOnehot` makes one channel per class, 1
 * where the label is that class. `threshold` sets every voxel of every channel to 0 or 1. `rounding` rounds
 * every voxel. If several are given, they are applied in this order.
 *
 * Mirrors MONAI's `AsDiscreted`.
 *
 * @throws OptionError when built, if none of them is given.
 * @throws DataError, on the stream, if a label is not one of the classes of `toOnehot`.
 */
export const asDiscrete = operator({
  name: 'asDiscrete',
  summary: 'Converts probabilities or logits to labels, or labels to channels.',
  mirrors: 'AsDiscreted',
  options: {
    argmax: z.boolean().default(false).describe('Use the index of the largest channel as the label'),
    toOnehot: z
      .int()
      .min(1)
      .max(65_536)
      .optional()
      .describe('Convert labels to one channel per class: the number of classes'),
    threshold: intensity
      .optional()
      .describe('Set voxels that are at least this value to 1 and all others to 0, in every channel'),
    rounding: z
      .literal('torchrounding')
      .optional()
      .describe('Round every voxel to the nearest whole number, halves to the even one'),
    keys: keysType('pred'),
  },
  check: ({ argmax, toOnehot, threshold, rounding }) =>
    argmax || toOnehot !== undefined || threshold !== undefined || rounding
      ? []
      : ['argmax must be true, or toOnehot, threshold or rounding must be given'],
  example: { argmax: true },
  forecast: ({ argmax, toOnehot, threshold, rounding, keys }) =>
    foreseeVolumes(keys, ['pred'], (volume) => {
      const labels = argmax
        ? { ...volume, channels: 1, bytesPerVoxel: volume.channels > 256 ? 2 : 1 }
        : volume;
      const channels = toOnehot ?? labels.channels;
      const bytes = toOnehot !== undefined || threshold !== undefined ? 1 : labels.bytesPerVoxel;
      return { ...volume, channels, bytesPerVoxel: rounding ? 4 : bytes, kind: 'label' };
    }),
  create: ({ argmax, toOnehot, threshold, rounding, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], async (volume) => {
      const { runtime } = context;
      let result: Volume = volume;
      if (argmax) result = await runtime.run(argmaxTask, result);
      if (toOnehot !== undefined) result = await runtime.run(oneHotTask, result, toOnehot);
      if (threshold !== undefined) result = await runtime.run(thresholdTask, result, threshold);
      if (rounding) result = await runtime.run(roundTask, result);
      return result;
    }),
});
