import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { keysType } from '../optionTypes.js';
import type { Affine, Triple, Vec3 } from '../volume/volume.js';
import { rotatedSize, warpMatrix } from '../volume/warp.js';
import { warpedForecast, warpMode, warpOptions } from './affineDraws.js';
import { operator } from './define.js';
import { drawFrom, drawRangeType, probType, seedType } from './draws.js';
import { foreseeVolumes } from './forecast.js';
import { mapRandomly } from './map.js';
import { warpTask } from './randAffine.js';

const angle = drawRangeType.default(0);

/**
 * Rotates all selected volumes about their middle by the same random angles, with probability `prob`. Affines
 * follow: every structure keeps its position in mm.
 *
 * Mirrors MONAI's `RandRotated`, except that labels use nearest neighbour unless `mode` says otherwise; see
 * `drawsFor` for the random draws.
 */
export const randRotate = operator({
  name: 'randRotate',
  summary: 'Randomly rotates volumes.',
  mirrors:
    'RandRotated, except that labels use nearest neighbour unless mode says otherwise; draws come from ' +
    "voxstream's random generator",
  options: {
    rangeX: angle.describe('Range of the rotation about x in radians; a number f means -f..f'),
    rangeY: angle.describe('Range of the rotation about y, given in the same way'),
    rangeZ: angle.describe('Range of the rotation about z, given in the same way'),
    prob: probType,
    keepSize: z
      .boolean()
      .default(true)
      .describe('Keep the size of the volume; with false, the result holds the whole rotated volume'),
    mode: warpOptions.mode,
    paddingMode: z
      .enum(['border', 'zeros', 'reflection'])
      .default('border')
      .describe('Values outside the volume'),
    seed: seedType,
    keys: keysType('image and label'),
  },
  example: { rangeZ: 0.26, prob: 0.2 },
  forecast: ({ mode, keepSize, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume, key) =>
      warpedForecast(volume, keepSize ? volume.size : largestSize(volume.size), warpMode(mode, volume, key)),
    ),
  create: (options, context) =>
    mapRandomly(context, { ...options, defaults: geometryKeys }, (random) => {
      const angles = [options.rangeX, options.rangeY, options.rangeZ].map((range) => drawFrom(random, range));
      const matrix = rotation(angles as Triple);
      return (volume, key) =>
        context.runtime.run(
          warpTask,
          volume,
          matrix,
          options.keepSize ? volume.size : rotatedSize(volume.size, matrix),
          warpMode(options.mode, volume, key),
          options.paddingMode,
        );
    }),
});

function rotation(rotate: Vec3): Affine {
  return warpMatrix({ rotate, shear: [0, 0, 0, 0, 0, 0], translate: [0, 0, 0], scale: [1, 1, 1] });
}

/** No rotated volume is longer along an axis than its diagonal. */
function largestSize(size: Vec3): Vec3 {
  const diagonal = Math.ceil(Math.hypot(...size)) + 1;
  return [diagonal, diagonal, diagonal];
}
