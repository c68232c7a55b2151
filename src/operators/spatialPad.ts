import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { intensity, keysType, sizePerAxis } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { cropOrPad, paddingModes, spatialPadBox } from '../volume/crop.js';
import { operator } from './define.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { mapVolumes } from './map.js';

export const cropOrPadTask = task(new URL('../volume/crop.js', import.meta.url), cropOrPad);

/**
 * Pads volumes to at least `spatialSize` voxels. The affine follows: every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `SpatialPadd`, with PyTorch's padding modes.
 */
export const spatialPad = operator({
  name: 'spatialPad',
  summary: 'Pads volumes to at least spatialSize voxels.',
  mirrors: "SpatialPadd, with PyTorch's padding modes",
  options: {
    spatialSize: sizePerAxis.describe(
      'Minimum size in voxels: one number, or one per axis; -1 leaves an axis unchanged',
    ),
    method: z.enum(['symmetric', 'end']).default('symmetric').describe('Pad both sides, or only the end'),
    mode: z.enum(paddingModes).default('constant').describe('How the padding is filled'),
    value: intensity.default(0).describe('The value for constant padding'),
    keys: keysType('image and label'),
  },
  example: { spatialSize: [96, 96, 96] },
  forecast: ({ spatialSize, method, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => {
      const { start, size } = spatialPadBox(volume.size, spatialSize, method);
      return onGrid(volume, { ...volume, size }, { step: 'cropOrPad', start });
    }),
  create: ({ spatialSize, method, mode, value, keys }, context) =>
    mapVolumes(context, 'cpu', keys, geometryKeys, (volume) => {
      const box = spatialPadBox(volume.size, spatialSize, method);
      return context.runtime.run(cropOrPadTask, volume, box.start, box.size, mode, value);
    }),
});
