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
 * Turns probabilities or logits into labels. `argmax` gives one channel with the number of the largest channel, the
 * first of equals; `threshold` gives 0 or 1 in every channel.
 *
 * Mirrors MONAI's `AsDiscreted`, its `argmax` and `threshold`.
 *
 * @throws OptionError when built, unless exactly one of `argmax` and `threshold` is given.
 */
export const asDiscrete = operator({
  name: 'asDiscrete',
  summary: 'Turns probabilities or logits into labels: argmax or threshold.',
  mirrors: 'AsDiscreted, its argmax and threshold',
  options: {
    argmax: z.boolean().default(false).describe('Take the channel with the largest value as the label'),
    threshold: z.number().optional().describe('1 where a voxel is at least this, else 0, in every channel'),
    keys: keysType('pred'),
  },
  check: ({ argmax, threshold }) =>
    argmax === (threshold !== undefined)
      ? ['either argmax must be true or threshold be given, and not both']
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
