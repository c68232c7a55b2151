import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import type { Case } from '../case.js';
import { centerCropBox } from '../volume/crop.js';
import type { Vec3 } from '../volume/volume.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { geometryKeys, type Keys, keysType, mapVolumes } from './map.js';
import { cropOrPadTask } from './spatialPad.js';
import { perAxis } from './types.js';

export interface CenterCropOptions {
  /** Voxels to keep: one number, or one per axis. Zero or less, or more than there are, keeps the whole axis. */
  readonly roiSize: number | Vec3;
  /** Volumes to work on. Default: `image` and `label`, where present. */
  readonly keys?: Keys;
}

const definition = defineOperator<CenterCropOptions>({
  name: 'centerCrop',
  summary: 'Keeps the middle roiSize voxels of volumes.',
  mirrors: 'CenterSpatialCropd',
  lane: 'cpu',
  options: {
    roiSize: perAxis(z.int()).describe(
      'Voxels to keep: one number, or one per axis; -1 keeps the whole axis',
    ),
    keys: keysType('image and label'),
  },
  example: { roiSize: [256, 256, -1] },
  forecast: ({ roiSize, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => {
      const { size } = centerCropBox(volume.size, roiSize as Vec3);
      return onGrid(volume, { ...volume, size }, 'cropOrPad');
    }),
  create: ({ roiSize, keys }, context) =>
    mapVolumes(context, 'cpu', keys, geometryKeys, (volume) => {
      const box = centerCropBox(volume.size, roiSize as Vec3);
      return context.runtime.run(cropOrPadTask, volume, box.start, box.size);
    }),
});

/**
 * Keeps the middle `roiSize` voxels along each axis. The affine follows: every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `CenterSpatialCropd`.
 */
export function centerCrop(
  options: CenterCropOptions,
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as centerCropDefinition };
