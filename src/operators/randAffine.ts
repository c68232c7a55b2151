import { geometryKeys } from '../case.js';
import { task } from '../runtime/task.js';
import { identityAffine } from '../volume/affine.js';
import type { Random } from '../volume/random.js';
import type { Affine, Volume } from '../volume/volume.js';
import { warp } from '../volume/warp.js';
import { drawMatrix, warpedForecast, warpedSize, warpMode, warpOptions } from './affineDraws.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapRandomly } from './map.js';

export const warpTask = task(new URL('../volume/warp.js', import.meta.url), warp);

/**
 * Rotates, shears, translates and scales all selected volumes about their centre in the same way, with
 * probability `prob`. The transform applies to the sampling grid: the result shows what a window that was
 * moved in this way sees. Affines follow: every structure keeps its position in mm.
 *
 * Mirrors MONAI's `RandAffined`, except that labels use nearest neighbour unless `mode` says otherwise; see
 * `drawsFor` for the random draws.
 */
export const randAffine = operator({
  name: 'randAffine',
  summary: 'Randomly rotates, shears, translates and scales volumes.',
  mirrors:
    'RandAffined, except that labels use nearest neighbour unless mode says otherwise; draws come from ' +
    "voxstream's random generator",
  options: {
    ...warpOptions,
  },
  example: { rotateRange: [0, 0, 0.26], scaleRange: [0.1, 0.1, 0.1], prob: 0.2 },
  forecast: ({ spatialSize, mode, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume, key) =>
      warpedForecast(volume, warpedSize(volume.size, spatialSize), warpMode(mode, volume, key)),
    ),
  create: (options, context) => {
    const { prob, spatialSize, mode, paddingMode, seed, keys } = options;
    const sizeFor = ({ size }: Volume) => warpedSize(size, spatialSize);
    const resample = (matrix: Affine) => (volume: Volume, key: string) =>
      context.runtime.run(
        warpTask,
        volume,
        matrix,
        sizeFor(volume),
        warpMode(mode, volume, key),
        paddingMode,
      );
    const changed = (random: Random) => resample(drawMatrix(random, options));
    // A requested size also applies to cases that are not transformed.
    const kept = (volume: Volume, key: string) =>
      sizeFor(volume).every((n, axis) => n === volume.size[axis])
        ? Promise.resolve(volume)
        : resample(identityAffine)(volume, key);
    return mapRandomly(context, { prob, seed, keys, defaults: geometryKeys }, changed, kept);
  },
});
