import { z } from 'zod';
import { keysType, labelNumbers } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { mergeClasses as kernel } from '../volume/classes.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapVolumes } from './map.js';

export const mergeClassesTask = task(new URL('../volume/classes.js', import.meta.url), kernel);

/** The labels of each channel, and the names of the channels if they have any. */
interface Groups {
  readonly labels: readonly (readonly number[])[];
  readonly names?: readonly string[];
}

/**
 * Converts labels to one channel per group of labels, 1 where the label is one of the group; groups may
 * overlap. In a one-hot volume, the channels count as the labels. Channels get the names of their groups, if
 * there are any.
 *
 * The general form of MONAI's `ConvertToMultiChannelBasedOnBratsClassesd`. To merge labels of a label map
 * into others, use `mapLabels`.
 *
 * @throws DataError, on the stream, if a group has a label that is not a channel of a one-hot volume.
 */
export const mergeClasses = operator({
  name: 'mergeClasses',
  summary: 'Converts labels to one channel per group of labels.',
  options: {
    groups: z
      .union([
        z
          .array(labelNumbers)
          .min(1)
          .transform((labels): Groups => ({ labels })),
        z
          .record(z.string(), labelNumbers)
          .transform((map): Groups => ({ labels: Object.values(map), names: Object.keys(map) })),
      ])
      .describe('The labels of each channel: a list of numbers or of lists, or a map from names to them'),
    keys: keysType('label'),
  },
  check: ({ groups }) => (groups.labels.length > 0 ? [] : ['groups must have at least one group']),
  example: { groups: { whole: [1, 2, 4], core: [1, 4], enhancing: [4] } },
  forecast: ({ groups, keys }) =>
    foreseeVolumes(keys, ['label'], (volume) => ({
      ...volume,
      channels: groups.labels.length,
      bytesPerVoxel: 1,
      kind: 'label',
    })),
  create: ({ groups, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['label'], async (volume) => ({
      ...(await context.runtime.run(mergeClassesTask, volume, groups.labels)),
      labelNames: groups.names && channelNames(groups.names),
    })),
});

/** Names for channels, from 1 on, as label names are for a volume without a background. */
export function channelNames(names: readonly string[]): Readonly<Record<number, string>> {
  return Object.fromEntries(names.map((name, i) => [i + 1, name]));
}
