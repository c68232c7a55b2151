import { z } from 'zod';
import { chooseKeys, volumeOf, withVolumes } from '../case.js';
import { DataError, show } from '../errors.js';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import { invertHistory } from '../volume/invert.js';
import type { Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { bytesOf, foreseeVolumes } from './forecast.js';
import { mapCase } from './map.js';

const invertHistoryTask = task(new URL('../volume/invert.js', import.meta.url), invertHistory);

/**
 * Undoes the geometric steps of `like` (orient, spacing, crops and pads) in reverse order on volumes that
 * share its grid. A prediction returns to exactly the grid of the image file, with identical size and affine.
 * Probabilities are interpolated (trilinear), labels use the nearest voxel, and cropped regions become zeros.
 *
 * Mirrors MONAI's `Invertd`, where `nearest_interp` is true by default. `nearest_interp: false` on labels is
 * `interpolateLabels` here.
 *
 * @throws DataError, on the stream, if a volume is not on the grid of `like`.
 */
export const invert = operator({
  name: 'invert',
  summary: 'Returns volumes to the grid on which another volume was read.',
  mirrors: 'Invertd; nearest_interp is true by default there, and true only for labels here',
  options: {
    keys: keysType('pred'),
    like: z.string().default('image').describe('The volume whose geometric steps are undone'),
    nearestInterp: z
      .boolean()
      .default(false)
      .describe('Use the nearest voxel for volumes of every kind, not only for labels'),
    interpolateLabels: z
      .boolean()
      .default(false)
      .describe('Interpolate labels too, which makes fractions of them; the result is an image'),
  },
  example: { keys: 'pred', like: 'image' },
  forecast: ({ keys, like, nearestInterp, interpolateLabels }) =>
    foreseeVolumes(
      keys,
      ['pred'],
      (volume, _key, { volumes }) => {
        const first = volumes[like]?.history[0];
        const nearest = nearestInterp || (volume.kind === 'label' && !interpolateLabels);
        if (!first) return volume;
        const { size, affine } = first.from;
        return { ...volume, size, affine, bytesPerVoxel: nearest ? volume.bytesPerVoxel : 4, history: [] };
      },
      // Undoing a step creates a volume. The previous one is still in memory while the last one is created.
      (volume, { volumes }) => {
        const [, ...between] = volumes[like]?.history ?? [];
        return Math.max(0, ...between.map(({ from }) => bytesOf({ ...volume, size: from.size })));
      },
    ),
  create: ({ keys, like, nearestInterp, interpolateLabels }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const reference = volumeOf(subject, like);
      const made: Record<string, Volume> = {};
      for (const key of chooseKeys(subject, keys, ['pred'])) {
        const volume = volumeOf(subject, key);
        if (!sameGrid(volume, reference)) {
          throw new DataError(
            `invert: ${key} (size ${show(volume.size)}) is not on the grid of ${like} (size ` +
              `${show(reference.size)}), so the steps of ${like} cannot be undone on it.`,
          );
        }
        const mode =
          nearestInterp || (volume.kind === 'label' && !interpolateLabels) ? 'nearest' : 'bilinear';
        const given: Volume = interpolateLabels ? { ...volume, kind: 'image' } : volume;
        const inverted = await context.runtime.run(invertHistoryTask, given, reference.history, mode);
        // On the grid of the reference's file, its header is the right one.
        made[key] = { ...inverted, ...(reference.origin && { origin: reference.origin }) };
      }
      return withVolumes(subject, made);
    }),
});
