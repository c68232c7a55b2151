import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { byKey, forKey, keysType, mostVoxels, perAxis } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { identityAffine } from '../volume/affine.js';
import type { Random } from '../volume/random.js';
import type { Affine, InterpolationMode, Triple, Vec3, Volume } from '../volume/volume.js';
import { warp, warpMatrix } from '../volume/warp.js';
import { operator } from './define.js';
import { type DrawRange, drawFrom, drawRangeType, probType, seedType } from './draws.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { mapRandomly } from './map.js';

const warpTask = task(new URL('../volume/warp.js', import.meta.url), warp);

type AnyRange = number | readonly DrawRange[];

/** A list of ranges, one for each number that is drawn. A single number is the first range. */
const ranges = (most: number) =>
  z
    .union([z.number().transform((first): readonly DrawRange[] => [first]), z.array(drawRangeType).max(most)])
    .optional();

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
    rotateRange: ranges(3).describe(
      'Rotation about x, y and z in radians: a range for each, or a number f for -f..f',
    ),
    shearRange: ranges(6).describe('Shear xy, xz, yx, yz, zx, zy, given in the same way'),
    translateRange: ranges(3).describe('Translation along x, y and z in voxels, given in the same way'),
    scaleRange: ranges(3).describe(
      'Scale along x, y and z, given in the same way; 1 is added, and factors above 1 show more of the ' +
        'volume',
    ),
    prob: probType,
    spatialSize: perAxis(z.int().max(mostVoxels))
      .optional()
      .describe("Size of the result in voxels; 0 or less keeps the axis. Default: the volume's size"),
    mode: byKey(z.enum(['bilinear', 'nearest']))
      .optional()
      .describe('bilinear or nearest, or a map by key. Default: nearest for labels, bilinear for the rest'),
    paddingMode: z
      .enum(['reflection', 'border', 'zeros'])
      .default('reflection')
      .describe('Values outside the volume'),
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
    // A requested size also applies to cases that are not transformed.
    const kept = (volume: Volume, key: string) =>
      sizeFor(volume).every((n, axis) => n === volume.size[axis])
        ? Promise.resolve(volume)
        : resample(identityAffine)(volume, key);
    return mapRandomly(context, { prob, seed, keys, defaults: geometryKeys }, changed, kept);
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
