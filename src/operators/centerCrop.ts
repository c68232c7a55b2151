import { geometryKeys } from '../case.js';
import { axisVoxels, keysType, perAxis } from '../optionTypes.js';
import { centerCropBox } from '../volume/crop.js';
import { operator } from './define.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { mapVolumes } from './map.js';
import { cropOrPadTask } from './spatialPad.js';

/**
 * Keeps the central `roiSize` voxels along each axis. The affine follows: every voxel keeps its position in
 * mm.
 *
 * Mirrors MONAI's `CenterSpatialCropd`.
 */
export const centerCrop = operator({
  name: 'centerCrop',
  summary: 'Crops volumes to their central roiSize voxels.',
  mirrors: 'CenterSpatialCropd',
  options: {
    roiSize: perAxis(axisVoxels).describe(
      'Voxels to keep: one number, or one per axis; -1 keeps the whole axis',
    ),
    keys: keysType('image and label'),
  },
  example: { roiSize: [256, 256, -1] },
  forecast: ({ roiSize, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => {
      const { start, size } = centerCropBox(volume.size, roiSize);
      return onGrid(volume, { ...volume, size }, { step: 'cropOrPad', start });
    }),
  create: ({ roiSize, keys }, context) =>
    mapVolumes(context, 'cpu', keys, geometryKeys, (volume) => {
      const box = centerCropBox(volume.size, roiSize);
      return context.runtime.run(cropOrPadTask, volume, box.start, box.size);
    }),
});
