import { z } from 'zod';
import { chooseKeys, geometryKeys, volumeOf, withVolumes } from '../case.js';
import { DataError } from '../errors.js';
import { keysType, sizePerAxis } from '../optionTypes.js';
import { centerCropBox } from '../volume/crop.js';
import type { Random } from '../volume/random.js';
import type { Triple, Vec3, Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { drawsFor, seedType } from './draws.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { mapCase } from './map.js';
import { assertOneGrid } from './patches.js';
import { cropOrPadTask } from './spatialPad.js';

const roi = sizePerAxis;

/**
 * Crops all selected volumes to the same box of `roiSize` voxels at a random place, or of a random size. An
 * axis shorter than the box stays whole. Affines follow: every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `RandSpatialCropd`; see `drawsFor` for the random draws.
 *
 * @throws DataError, on the stream, if volumes have different sizes, or a random size has no range.
 */
export const randSpatialCrop = operator({
  name: 'randSpatialCrop',
  summary: 'Crops volumes to a box at a random place or of a random size.',
  mirrors: "RandSpatialCropd; draws come from voxstream's random generator",
  options: {
    roiSize: roi.describe('Size of the box in voxels: one number, or one per axis; 0 or less keeps the axis'),
    maxRoiSize: roi
      .optional()
      .describe(
        "With randomSize: the largest size; 0 or less means the volume's. Default: the volume's size",
      ),
    randomCenter: z.boolean().default(true).describe('Draw the position; with false, crop around the middle'),
    randomSize: z.boolean().default(false).describe('Draw the size of each axis, from roiSize to maxRoiSize'),
    seed: seedType,
    keys: keysType('image and label'),
  },
  check: ({ maxRoiSize, randomSize }) =>
    maxRoiSize && !randomSize ? ['maxRoiSize has an effect only with randomSize: true'] : [],
  example: { roiSize: [96, 96, 96] },
  forecast: ({ roiSize, maxRoiSize, randomSize, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => {
      const most = randomSize ? (maxRoiSize ?? volume.size) : roiSize;
      const size = sizeWithin(volume.size, most);
      return onGrid(volume, { ...volume, size }, { step: 'cropOrPad', start: [0, 0, 0] });
    }),
  create: ({ roiSize, maxRoiSize, randomCenter, randomSize, seed, keys }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const chosen = chooseKeys(subject, keys, geometryKeys);
      assertOneGrid(context, subject, chosen[0], chosen);
      const { size } = volumeOf(subject, chosen[0]);
      const random = drawsFor(subject, context, seed);
      const wanted = randomSize ? drawSize(random, size, roiSize, maxRoiSize ?? size) : roiSize;
      const box = randomCenter ? randomBox(random, size, wanted) : centerCropBox(size, wanted);
      const made: Record<string, Volume> = {};
      for (const key of chosen) {
        made[key] = await context.runtime.run(cropOrPadTask, volumeOf(subject, key), box.start, box.size);
      }
      return withVolumes(subject, made);
    }),
});

/** The size of a box, at most that of the volume; 0 or less means the volume's. */
function sizeWithin(size: Vec3, wanted: Vec3): Vec3 {
  return size.map((n, axis) => (wanted[axis] > 0 ? Math.min(wanted[axis], n) : n)) as Triple;
}

function drawSize(random: Random, size: Vec3, least: Vec3, most: Vec3): Vec3 {
  return size.map((n, axis) => {
    const low = least[axis] > 0 ? least[axis] : n;
    const high = most[axis] > 0 ? most[axis] : n;
    if (low > high) {
      throw new DataError(
        `randSpatialCrop draws sizes from ${low} to ${high} voxels along axis ${axis}. Take a smaller roiSize, a ` +
          'larger maxRoiSize, or put spatialPad before it.',
      );
    }
    return low + random.integer(high - low + 1);
  }) as Triple;
}

function randomBox(random: Random, size: Vec3, wanted: Vec3): { start: Vec3; size: Vec3 } {
  const box = sizeWithin(size, wanted);
  const start = size.map((n, axis) => (n > box[axis] ? random.integer(n - box[axis] + 1) : 0));
  return { start: start as Triple, size: box };
}
