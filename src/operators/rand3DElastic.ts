import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { voxelWidth } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { identityAffine } from '../volume/affine.js';
import { deform } from '../volume/elastic.js';
import type { Volume } from '../volume/volume.js';
import { voxelCount } from '../volume/volume.js';
import { drawMatrix, warpedForecast, warpedSize, warpMode, warpOptions } from './affineDraws.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapRandomly } from './map.js';
import { warpTask } from './randAffine.js';

const magnitude = z.number().min(0).max(1e6);

const deformTask = task(new URL('../volume/elastic.js', import.meta.url), deform);

/**
 * Deforms all selected volumes in the same way, with probability `prob`: each voxel is read at a random
 * offset from its position, smoothed over neighbours, and then an affine transform as in `randAffine`. The
 * affine follows the affine transform. `invert` does not undo the deformation.
 *
 * Mirrors MONAI's `Rand3DElasticd`, except that labels use nearest neighbour unless `mode` says otherwise;
 * see `drawsFor` for the random draws.
 */
export const rand3DElastic = operator({
  name: 'rand3DElastic',
  summary: 'Randomly deforms volumes.',
  mirrors:
    'Rand3DElasticd, except that labels use nearest neighbour unless mode says otherwise; draws come from ' +
    "voxstream's random generator",
  options: {
    sigmaRange: z
      .tuple([voxelWidth, voxelWidth])
      .describe('Range of the standard deviation that smooths the offsets, in voxels'),
    magnitudeRange: z
      .tuple([magnitude, magnitude])
      .describe(
        'Range of the factor that multiplies the smoothed offsets, which were drawn from -1..1 voxels',
      ),
    ...warpOptions,
  },
  example: { sigmaRange: [5, 8], magnitudeRange: [100, 200], prob: 0.2 },
  forecast: ({ spatialSize, mode, keys }) =>
    foreseeVolumes(
      keys,
      geometryKeys,
      (volume, key) =>
        warpedForecast(volume, warpedSize(volume.size, spatialSize), warpMode(mode, volume, key)),
      // The offsets, three float32 numbers per voxel.
      (volume) => 12 * voxelCount(warpedSize(volume.size, spatialSize)),
    ),
  create: (options, context) => {
    const { spatialSize, mode, paddingMode, sigmaRange, magnitudeRange } = options;
    const sizeFor = ({ size }: Volume) => warpedSize(size, spatialSize);
    // A requested size also applies to cases that are not deformed.
    const kept = (volume: Volume, key: string) =>
      sizeFor(volume).every((n, axis) => n === volume.size[axis])
        ? Promise.resolve(volume)
        : context.runtime.run(
            warpTask,
            volume,
            identityAffine,
            sizeFor(volume),
            warpMode(mode, volume, key),
            paddingMode,
          );
    return mapRandomly(
      context,
      { ...options, defaults: geometryKeys },
      (random) => {
        const elastic = {
          seed: [random.uint32(), random.uint32()],
          magnitude: random.uniform(...magnitudeRange),
          sigma: random.uniform(...sigmaRange),
          matrix: drawMatrix(random, options),
        } as const;
        return (volume, key) =>
          context.runtime.run(
            deformTask,
            volume,
            elastic,
            sizeFor(volume),
            warpMode(mode, volume, key),
            paddingMode,
          );
      },
      kept,
    );
  },
});
