import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { intensity, keysType, sizePerAxis } from '../optionTypes.js';
import { paddingModes, padOrCropBox } from '../volume/crop.js';
import { operator } from './define.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { mapVolumes } from './map.js';
import { cropOrPadTask } from './spatialPad.js';

/**
 * Crops or pads each axis of volumes to `spatialSize` voxels, around the middle. Voxels are not interpolated.
 * The affine follows: every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `ResizeWithPadOrCropd`.
 */
export const resizeWithPadOrCrop = operator({
  name: 'resizeWithPadOrCrop',
  summary: 'Crops or pads volumes to exactly spatialSize voxels.',
  mirrors: 'ResizeWithPadOrCropd',
  options: {
    spatialSize: sizePerAxis.describe(
      'Size of the result in voxels: one number, or one per axis; 0 or less keeps the axis',
    ),
    method: z.enum(['symmetric', 'end']).default('symmetric').describe('Pad both sides, or only the end'),
    mode: z.enum(paddingModes).default('constant').describe('How the padding is filled'),
    value: intensity.default(0).describe('The value for constant padding'),
    keys: keysType('image and label'),
  },
  example: { spatialSize: [256, 256, -1] },
  forecast: ({ spatialSize, method, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => {
      const { start, size } = padOrCropBox(volume.size, spatialSize, method);
      return onGrid(volume, { ...volume, size }, { step: 'cropOrPad', start });
    }),
  create: ({ spatialSize, method, mode, value, keys }, context) =>
    mapVolumes(context, 'cpu', keys, geometryKeys, (volume) => {
      const box = padOrCropBox(volume.size, spatialSize, method);
      return context.runtime.run(cropOrPadTask, volume, box.start, box.size, mode, value);
    }),
});
