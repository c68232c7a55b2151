import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import type { Case } from '../case.js';
import { task } from '../runtime/task.js';
import { cropOrPad, type PaddingMode, paddingModes, spatialPadBox } from '../volume/crop.js';
import type { Vec3 } from '../volume/volume.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { geometryKeys, type Keys, keysType, mapVolumes } from './map.js';
import { perAxis } from './types.js';

export const cropOrPadTask = task(new URL('../volume/crop.js', import.meta.url), cropOrPad);

export interface SpatialPadOptions {
  /** Least size in voxels: one number, or one per axis. Axes that are longer, and those at -1, stay as they are. */
  readonly spatialSize: number | Vec3;
  /** Pad both sides (`symmetric`, an odd voxel behind; the default) or only behind (`end`). */
  readonly method?: 'symmetric' | 'end';
  /** What to pad with. Default: `constant`. */
  readonly mode?: PaddingMode;
  /** The constant. Default: 0. */
  readonly value?: number;
  /** Volumes to work on. Default: `image` and `label`, where present. */
  readonly keys?: Keys;
}

const definition = defineOperator<SpatialPadOptions>({
  name: 'spatialPad',
  summary: 'Pads volumes to at least spatialSize voxels.',
  mirrors: "SpatialPadd, with PyTorch's padding modes",
  lane: 'cpu',
  options: {
    spatialSize: perAxis(z.int()).describe(
      'Least size in voxels: one number, or one per axis; -1 leaves an axis alone',
    ),
    method: z.enum(['symmetric', 'end']).default('symmetric').describe('Pad both sides, or only behind'),
    mode: z.enum(paddingModes).default('constant').describe('What to pad with'),
    value: z.number().default(0).describe('The constant to pad with'),
    keys: keysType('image and label'),
  },
  example: { spatialSize: [96, 96, 96] },
  forecast: ({ spatialSize, method, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => {
      const { size } = spatialPadBox(volume.size, spatialSize as Vec3, method ?? 'symmetric');
      return onGrid(volume, { ...volume, size }, 'cropOrPad');
    }),
  create: ({ spatialSize, method, mode, value, keys }, context) =>
    mapVolumes(context, 'cpu', keys, geometryKeys, (volume) => {
      const box = spatialPadBox(volume.size, spatialSize as Vec3, method ?? 'symmetric');
      return context.runtime.run(cropOrPadTask, volume, box.start, box.size, mode, value);
    }),
});

/**
 * Pads volumes to at least `spatialSize` voxels. The affine follows: every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `SpatialPadd`, with PyTorch's padding modes.
 */
export function spatialPad(
  options: SpatialPadOptions,
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as spatialPadDefinition };
