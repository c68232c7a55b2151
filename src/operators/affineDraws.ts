import { z } from 'zod';
import { byKey, forKey, keysType, mostVoxels, orMeant, sizePerAxis } from '../optionTypes.js';
import type { Random } from '../volume/random.js';
import type { InterpolationMode, Triple, Vec3, Volume } from '../volume/volume.js';
import { warpMatrix } from '../volume/warp.js';
import { type DrawRange, drawFrom, drawRangeOf, probType, seedType } from './draws.js';
import { onGrid, type VolumeForecast } from './forecast.js';

type AnyRange = number | readonly DrawRange[];

/** A list of ranges, one for each number that is drawn. A single number is the first range. */
const ranges = (most: number, item: z.ZodNumber) =>
  z
    .union([item.transform((first): readonly DrawRange[] => [first]), z.array(drawRangeOf(item)).max(most)])
    .optional();

const fromDegrees = orMeant((given) =>
  given <= 360 ? `${((given / 180) * Math.PI).toPrecision(4)}, in radians` : undefined,
);
/** An angle in radians. */
export const angle = z
  .number()
  .min(-2 * Math.PI)
  .max(2 * Math.PI, fromDegrees);
const factor = z.number().min(-100).max(100);
const shift = z.number().min(-mostVoxels).max(mostVoxels);

/** The ranges of a random affine transform. */
const affineRangeTypes = {
  rotateRange: ranges(3, angle).describe(
    'Rotation about x, y and z in radians: a range for each, or a number f for -f..f',
  ),
  shearRange: ranges(6, factor).describe('Shear xy, xz, yx, yz, zx, zy, given in the same way'),
  translateRange: ranges(3, shift).describe('Translation along x, y and z in voxels, given in the same way'),
  scaleRange: ranges(3, factor).describe(
    'Scale along x, y and z, given in the same way; 1 is added, and factors above 1 show more of the volume',
  ),
};

/** The options of operators that warp volumes at random. */
export const warpOptions = {
  ...affineRangeTypes,
  prob: probType,
  spatialSize: sizePerAxis
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
};

/** Draws the matrix of an affine transform. */
export function drawMatrix(
  random: Random,
  given: Readonly<Record<keyof typeof affineRangeTypes, AnyRange | undefined>>,
): number[] {
  const draw = (range: AnyRange | undefined, length: number, middle: number) => {
    const list = (range ?? []) as readonly DrawRange[];
    return Array.from({ length }, (_, i) => (i < list.length ? drawFrom(random, list[i]) + middle : middle));
  };
  return warpMatrix({
    rotate: draw(given.rotateRange, 3, 0) as Triple,
    shear: draw(given.shearRange, 6, 0),
    translate: draw(given.translateRange, 3, 0) as Triple,
    scale: draw(given.scaleRange, 3, 1) as Triple,
  });
}

/** The size of the result: `spatialSize`, where it is above 0. */
export function warpedSize(size: Vec3, spatialSize: Vec3 | undefined): Vec3 {
  return size.map((n, axis) => (spatialSize && spatialSize[axis] > 0 ? spatialSize[axis] : n)) as Triple;
}

/** The interpolation for one volume; it depends on its key and kind. */
export function warpMode(
  mode: InterpolationMode | Readonly<Record<string, InterpolationMode>> | undefined,
  { kind }: Pick<Volume, 'kind'>,
  key: string,
): InterpolationMode {
  return forKey(mode, key) ?? (kind === 'label' ? 'nearest' : 'bilinear');
}

/**
 * The volume as after a warp, which takes the most memory. Where its voxels lie is not known yet.
 */
export function warpedForecast(volume: VolumeForecast, size: Vec3, mode: InterpolationMode): VolumeForecast {
  const warped = onGrid(volume, { ...volume, size }, { step: 'resample', padding: 'zeros' });
  return mode === 'nearest' ? warped : { ...warped, bytesPerVoxel: 4 };
}
