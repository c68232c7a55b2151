import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { axisVoxels, intensity, keysType, perAxis } from '../optionTypes.js';
import { divisibleSize, paddingModes, spatialPadBox } from '../volume/crop.js';
import { operator } from './define.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { mapVolumes } from './map.js';
import { cropOrPadTask } from './spatialPad.js';

/**
 * Pads volumes to a multiple of `k` voxels along each axis. The affine follows: every voxel keeps its
 * position in mm.
 *
 * Mirrors MONAI's `DivisiblePadd`.
 */
export const divisiblePad = operator({
  name: 'divisiblePad',
  summary: 'Pads volumes to a multiple of k voxels.',
  mirrors: 'DivisiblePadd',
  options: {
    k: perAxis(axisVoxels).describe(
      'The size becomes a multiple of this: one number, or one per axis; 0 or less keeps the axis',
    ),
    method: z.enum(['symmetric', 'end']).default('symmetric').describe('Pad both sides, or only the end'),
    mode: z.enum(paddingModes).default('constant').describe('How the padding is filled'),
    value: intensity.default(0).describe('The value for constant padding'),
    keys: keysType('image and label'),
  },
  example: { k: 16 },
  forecast: ({ k, method, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => {
      const { start, size } = spatialPadBox(volume.size, divisibleSize(volume.size, k), method);
      return onGrid(volume, { ...volume, size }, { step: 'cropOrPad', start });
    }),
  create: ({ k, method, mode, value, keys }, context) =>
    mapVolumes(context, 'cpu', keys, geometryKeys, (volume) => {
      const box = spatialPadBox(volume.size, divisibleSize(volume.size, k), method);
      return context.runtime.run(cropOrPadTask, volume, box.start, box.size, mode, value);
    }),
});
