import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { intensity, keysType, mostVoxels } from '../optionTypes.js';
import { paddingModes } from '../volume/crop.js';
import type { Triple, Vec3 } from '../volume/volume.js';
import { operator } from './define.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { mapVolumes } from './map.js';
import { cropOrPadTask } from './spatialPad.js';

const border = z.int().min(0).max(mostVoxels);

type Borders = readonly [number, number, number, number, number, number];

/**
 * Adds a border of voxels. The affine follows: every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `BorderPadd`.
 */
export const borderPad = operator({
  name: 'borderPad',
  summary: 'Adds a border of voxels to volumes.',
  mirrors: 'BorderPadd',
  options: {
    spatialBorder: z
      .union([
        border.transform((n): Borders => [n, n, n, n, n, n]),
        z.tuple([border, border, border]).transform(([x, y, z]): Borders => [x, x, y, y, z, z]),
        z.tuple([border, border, border, border, border, border]),
      ])
      .describe('Voxels to add: one number, one per axis, or a start and an end for each axis'),
    mode: z.enum(paddingModes).default('constant').describe('How the border is filled'),
    value: intensity.default(0).describe('The value for constant padding'),
    keys: keysType('image and label'),
  },
  example: { spatialBorder: [2, 2, 0], value: -1000 },
  forecast: ({ spatialBorder, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => {
      const { start, size } = borderBox(volume.size, spatialBorder);
      return onGrid(volume, { ...volume, size }, { step: 'cropOrPad', start });
    }),
  create: ({ spatialBorder, mode, value, keys }, context) =>
    mapVolumes(context, 'cpu', keys, geometryKeys, (volume) => {
      const box = borderBox(volume.size, spatialBorder);
      return context.runtime.run(cropOrPadTask, volume, box.start, box.size, mode, value);
    }),
});

function borderBox(size: Vec3, borders: Borders): { start: Vec3; size: Vec3 } {
  return {
    start: size.map((_, axis) => 0 - borders[2 * axis]) as Triple,
    size: size.map((n, axis) => n + borders[2 * axis] + borders[2 * axis + 1]) as Triple,
  };
}
