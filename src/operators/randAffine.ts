import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { byKey, forKey, keysType, perAxis } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { identityAffine } from '../volume/affine.js';
import type { Random } from '../volume/random.js';
import type { Affine, InterpolationMode, Triple, Vec3, Volume } from '../volume/volume.js';
import { warp, warpMatrix } from '../volume/warp.js';
import { operator } from './define.js';
import { type DrawRange, drawFrom, drawRangeType, probType, seedType } from './draws.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { mapByChance } from './map.js';

const warpTask = task(new URL('../volume/warp.js', import.meta.url), warp);

type AnyRange = number | readonly DrawRange[];

/** A list of ranges, one per number that is drawn; a number alone is the first. */
const ranges = (most: number) =>
  z
    .union([z.number().transform((first): readonly DrawRange[] => [first]), z.array(drawRangeType).max(most)])
    .optional();

/**
 * Turns, shears, shifts and scales all chosen volumes alike about their middle, with the probability `prob`: what is seen
 * through a window that is turned, sheared, shifted and scaled so. Affines follow: what is seen keeps its place in mm.
 *
 * Mirrors MONAI's `RandAffined`, a label being resampled by nearest neighbour unless `mode` says otherwise; see `drawsFor`
 * for the draws.
 */
export const randAffine = operator({
  name: 'randAffine',
  summary: 'Turns, shears, shifts and scales volumes, by chance.',
  mirrors:
    "RandAffined, a label being resampled by nearest neighbour unless mode says otherwise; the draws are those of voxstream's own generator",
  options: {
    rotateRange: ranges(3).describe(
      'Turn about x, y and z in radians: for each a number f for -f..f, or a range',
    ),
    shearRange: ranges(6).describe('Shear xy, xz, yx, yz, zx, zy, likewise'),
    translateRange: ranges(3).describe('Shift along x, y and z in voxels, likewise'),
    scaleRange: ranges(3).describe(
      'Scale along x, y and z, likewise; 1 is added, and more than 1 shows more of the volume',
    ),
    prob: probType,
    spatialSize: perAxis(z.int())
      .optional()
      .describe("Voxels of the result; 0 or less keeps the axis. Default: the volume's"),
    mode: byKey(z.enum(['bilinear', 'nearest']))
      .optional()
      .describe('bilinear or nearest, or a map by key. Default: nearest for labels, bilinear for the rest'),
    paddingMode: z
      .enum(['reflection', 'border', 'zeros'])
      .default('reflection')
      .describe('What lies outside the volume'),
    seed: seedType,
    keys: keysType('image and label'),
  },
  example: { rotateRange: [0, 0, 0.26], scaleRange: [0.1, 0.1, 0.1], prob: 0.2 },
  // As for a case that is changed: it takes the most memory. Where its voxels lie is not known yet.
  forecast: ({ spatialSize, mode, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume, key) => {
      const size = warpedSize(volume.size, spatialSize);
      const warped = onGrid(volume, { ...volume, size }, { step: 'resample', padding: 'zeros' });
      return warpMode(mode, volume, key) === 'nearest' ? warped : { ...warped, bytesPerVoxel: 4 };
    }),
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
    const changed = (random: Random) => {
      const draw = (range: AnyRange | undefined, length: number, middle: number) => {
        const list = (range ?? []) as readonly DrawRange[];
        return Array.from({ length }, (_, i) =>
          i < list.length ? drawFrom(random, list[i]) + middle : middle,
        );
      };
      const matrix = warpMatrix({
        rotate: draw(options.rotateRange, 3, 0) as Triple,
        shear: draw(options.shearRange, 6, 0),
        translate: draw(options.translateRange, 3, 0) as Triple,
        scale: draw(options.scaleRange, 3, 1) as Triple,
      });
      return resample(matrix);
    };
    // A size that is asked for holds for cases that are not changed as well.
    const kept = (volume: Volume, key: string) =>
      sizeFor(volume).every((n, axis) => n === volume.size[axis])
        ? Promise.resolve(volume)
        : resample(identityAffine)(volume, key);
    return mapByChance(context, { prob, seed, keys, defaults: geometryKeys }, changed, kept);
  },
});

/** The size of the result: `spatialSize`, where it is above 0. */
function warpedSize(size: Vec3, spatialSize: Vec3 | undefined): Vec3 {
  return size.map((n, axis) => (spatialSize && spatialSize[axis] > 0 ? spatialSize[axis] : n)) as Triple;
}

function warpMode(
  mode: InterpolationMode | Readonly<Record<string, InterpolationMode>> | undefined,
  { kind }: Pick<Volume, 'kind'>,
  key: string,
): InterpolationMode {
  return forKey(mode, key) ?? (kind === 'label' ? 'nearest' : 'bilinear');
}
