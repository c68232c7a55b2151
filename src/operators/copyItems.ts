import { z } from 'zod';
import { volumeOf, withVolumes } from '../case.js';
import { headerSpacing } from '../volume/cornerZoom.js';
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
 * With `startHere`, a copy counts as read on the grid that it has now. A model with its own preprocessing
 * (`nnunet`) can then run in the middle of a pipeline: its labels come back to this grid.
 *
 * Mirrors MONAI's `CopyItemsd` with one name for each key.
 *
 * @throws OptionError when built, if there are not as many names as keys.
 */
export const copyItems = operator({
  name: 'copyItems',
  summary: 'Adds volumes under further keys.',
  mirrors: 'CopyItemsd, with one name for each key; MONAI has no startHere',
  options: {
    keys: names.describe('The volumes to copy'),
    names: names.describe('Their new keys, in the same order'),
    startHere: z
      .boolean()
      .default(false)
      .describe(
        'The copies forget the geometric steps so far: invert returns what is made of them to this grid, not to ' +
          'the grid of the file',
      ),
  },
  check: ({ keys, names: given }) =>
    keys.length === given.length
      ? []
      : [`names must have one name for each of the ${keys.length} keys, but it has ${given.length}`],
  example: { keys: 'pred', names: 'probability' },
  forecast:
    ({ keys, names: given, startHere }) =>
    (subject) => {
      const copies: Record<string, VolumeForecast> = {};
      keys.forEach((key, i) => {
        const volume = subject.volumes[key];
        if (volume) copies[given[i]] = startHere ? { ...volume, history: [] } : volume;
      });
      return foresee(subject, copies);
    },
  create: ({ keys, names: given, startHere }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const copies: Record<string, Volume> = {};
      keys.forEach((key, i) => {
        const volume = volumeOf(subject, key);
        copies[given[i]] = startHere ? asStored(volume) : volume;
      });
      return withVolumes(subject, copies);
    }),
});

/** The volume as it would be read from a file on its grid. */
export function asStored(volume: Volume): Volume {
  const { origin } = volume;
  const nifti = origin?.nifti && { nifti: { ...origin.nifti, pixdim: headerSpacing(volume) } };
  return { ...volume, history: [], ...(origin && { origin: { ...origin, ...nifti } }) };
}
