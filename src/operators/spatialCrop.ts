import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { DataError } from '../errors.js';
import type { OptionValues } from '../options.js';
import { axisVoxels, keysType } from '../optionTypes.js';
import { type Roi, roiAround, roiBox } from '../volume/crop.js';
import type { Triple } from '../volume/volume.js';
import { operator } from './define.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { mapVolumes } from './map.js';
import { cropOrPadTask } from './spatialPad.js';

const voxel = z.tuple([axisVoxels, axisVoxels, axisVoxels]).optional();

const options = {
  roiStart: voxel.describe('The first voxel of the box; with roiEnd'),
  roiEnd: voxel.describe('The voxel after the last one of the box, per axis'),
  roiCenter: voxel.describe('The middle voxel of the box, instead of roiStart and roiEnd; with roiSize'),
  roiSize: voxel.describe('The size of the box in voxels'),
  keys: keysType('image and label'),
};

/**
 * Crops volumes to a box, given by its first and last voxels or by its middle and size. Parts of the box
 * outside the volume are left out. The affine follows: every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `SpatialCropd`, without `roi_slices`.
 *
 * @throws OptionError when built, unless one of both pairs is given.
 * @throws DataError, on the stream, if no part of the box is in a volume.
 */
export const spatialCrop = operator({
  name: 'spatialCrop',
  summary: 'Crops volumes to a box of voxels.',
  mirrors: 'SpatialCropd, without roi_slices; a box outside the volume is refused',
  options,
  check: (given) =>
    roiOf(given) ? [] : ['either roiStart and roiEnd or roiCenter and roiSize must be given, but not both'],
  example: { roiStart: [64, 64, 0], roiEnd: [320, 320, 80] },
  forecast: (given) =>
    foreseeVolumes(given.keys, geometryKeys, (volume) => {
      const roi = roiOf(given) ?? { start: [0, 0, 0], end: volume.size };
      const { start, size } = roiBox(volume.size, roi);
      const held = size.map((n) => Math.max(n, 0)) as Triple;
      return onGrid(volume, { ...volume, size: held }, { step: 'cropOrPad', start });
    }),
  create: (given, context) =>
    mapVolumes(context, 'cpu', given.keys, geometryKeys, async (volume, key) => {
      const roi = roiOf(given) ?? { start: [0, 0, 0], end: volume.size };
      const { start, size } = roiBox(volume.size, roi);
      if (size.some((n) => n < 1)) {
        throw new DataError(
          `spatialCrop: no part of the box from [${roi.start.join(', ')}] to [${roi.end.join(', ')}] is in ${key}, ` +
            `which has ${volume.size.join(' x ')} voxels.`,
        );
      }
      return context.runtime.run(cropOrPadTask, volume, start, size);
    }),
});

/** The box that the options describe; undefined unless exactly one of both pairs is given. */
function roiOf({ roiStart, roiEnd, roiCenter, roiSize }: OptionValues<typeof options>): Roi | undefined {
  if (roiStart && roiEnd && !roiCenter && !roiSize) return { start: roiStart, end: roiEnd };
  if (roiCenter && roiSize && !roiStart && !roiEnd) return roiAround(roiCenter, roiSize);
  return undefined;
}
