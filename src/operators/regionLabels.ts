import { z } from 'zod';
import { DataError } from '../errors.js';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { regionLabels as kernel } from '../volume/classes.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapVolumes } from './map.js';

const regionLabelsTask = task(new URL('../volume/classes.js', import.meta.url), kernel);

/**
 * Converts channels for overlapping regions to one label map, as nnU-Net does: a voxel gets the label of the
 * last channel in which its logit is above 0, or its probability above 0.5. Other voxels become 0.
 *
 * @throws DataError, on the stream, if there is not one label per channel.
 */
export const regionLabels = operator({
  name: 'regionLabels',
  summary: 'Converts channels for overlapping regions to one label map.',
  options: {
    labels: z
      .array(z.int().min(1).max(65535))
      .min(1)
      .describe('The label of each channel. Later channels overwrite earlier ones'),
    keys: keysType('pred'),
  },
  example: { labels: [1, 2, 3] },
  forecast: ({ labels, keys }) =>
    foreseeVolumes(keys, ['pred'], (volume) => ({
      ...volume,
      channels: 1,
      bytesPerVoxel: Math.max(...labels) > 255 ? 2 : 1,
      kind: 'label',
    })),
  create: ({ labels, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], async (volume, key) => {
      if (volume.channels === labels.length) return context.runtime.run(regionLabelsTask, volume, labels);
      throw new DataError(
        `regionLabels: ${key} has ${volume.channels} channel(s), but ${labels.length} labels are given.`,
      );
    }),
});
