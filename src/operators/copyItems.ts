import { z } from 'zod';
import { volumeOf, withVolumes } from '../case.js';
import type { Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { foresee, type VolumeForecast } from './forecast.js';
import { mapCase } from './map.js';

const names = z.union([
  z
    .string()
    .min(1)
    .transform((name): readonly string[] => [name]),
  z.array(z.string().min(1)).min(1),
]);

/**
 * Adds volumes under further keys, so that later steps can change one and keep the other: probabilities
 * beside labels, or a coarse image beside the fine one. Voxels are shared, so a copy takes no memory until a
 * step changes one of both.
 *
 * Mirrors MONAI's `CopyItemsd` with one name for each key.
 *
 * @throws OptionError when built, if there are not as many names as keys.
 */
export const copyItems = operator({
  name: 'copyItems',
  summary: 'Adds volumes under further keys.',
  mirrors: 'CopyItemsd, with one name for each key',
  options: {
    keys: names.describe('The volumes to copy'),
    names: names.describe('Their new keys, in the same order'),
  },
  check: ({ keys, names: given }) =>
    keys.length === given.length
      ? []
      : [`names must have one name for each of the ${keys.length} keys, but it has ${given.length}`],
  example: { keys: 'pred', names: 'probability' },
  forecast:
    ({ keys, names: given }) =>
    (subject) => {
      const copies: Record<string, VolumeForecast> = {};
      keys.forEach((key, i) => {
        if (subject.volumes[key]) copies[given[i]] = subject.volumes[key];
      });
      return foresee(subject, copies);
    },
  create: ({ keys, names: given }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const copies: Record<string, Volume> = {};
      keys.forEach((key, i) => {
        copies[given[i]] = volumeOf(subject, key);
      });
      return withVolumes(subject, copies);
    }),
});
