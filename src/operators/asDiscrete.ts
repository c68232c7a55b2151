import { z } from 'zod';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { argmax, threshold } from '../volume/classes.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapVolumes } from './map.js';

const argmaxTask = task(new URL('../volume/classes.js', import.meta.url), argmax);
const thresholdTask = task(new URL('../volume/classes.js', import.meta.url), threshold);

/**
 * Converts probabilities or logits to labels. `argmax` returns one channel that holds the index of the
 * largest channel; ties go to the lower index. `threshold` sets every voxel of every channel to 0 or 1.
 *
 * Mirrors the `argmax` and `threshold` options of MONAI's `AsDiscreted`.
 *
 * @throws OptionError when built, unless exactly one of `argmax` and `threshold` is given.
 */
export const asDiscrete = operator({
  name: 'asDiscrete',
  summary: 'Converts probabilities or logits to labels with argmax or a threshold.',
  mirrors: 'AsDiscreted, only its argmax and threshold options',
  options: {
    argmax: z.boolean().default(false).describe('Use the index of the largest channel as the label'),
    threshold: z
      .number()
      .optional()
      .describe('Set voxels that are at least this value to 1 and all others to 0, in every channel'),
    keys: keysType('pred'),
  },
  check: ({ argmax, threshold }) =>
    argmax === (threshold !== undefined)
      ? ['either argmax must be true or threshold must be given, but not both']
      : [],
  example: { argmax: true },
  forecast: ({ threshold, keys }) =>
    foreseeVolumes(keys, ['pred'], (volume) => ({
      ...volume,
      ...(threshold === undefined && { channels: 1 }),
      bytesPerVoxel: threshold === undefined && volume.channels > 256 ? 2 : 1,
      kind: 'label',
    })),
  create: ({ threshold, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) =>
      threshold === undefined
        ? context.runtime.run(argmaxTask, volume)
        : context.runtime.run(thresholdTask, volume, threshold),
    ),
});
