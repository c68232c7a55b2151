import { z } from 'zod';
import { geometryKeys } from '../case.js';
import type { OptionValues } from '../options.js';
import { byKey, forKey, keysType, voxelLength } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { type RespaceSettings, respace, respacedGrid } from '../volume/resample.js';
import type { Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { foreseeVolumes, resampledForecast } from './forecast.js';
import { mapVolumes } from './map.js';

export const respaceTask = task(new URL('../volume/resample.js', import.meta.url), respace);

const interpolation = z.enum(['bilinear', 'nearest']);

const options = {
  pixdim: z
    .tuple([voxelLength, voxelLength, voxelLength])
    .describe('Voxel size per axis: three positive numbers in mm'),
  mode: byKey(interpolation)
    .optional()
    .describe('bilinear or nearest, or a map by key. Default: nearest for labels, bilinear for the rest'),
  paddingMode: z.enum(['border', 'zeros']).default('border').describe('Values outside the volume'),
  minPixdim: z
    .tuple([voxelLength, voxelLength, voxelLength])
    .optional()
    .describe('Smallest voxel size that is kept as it is, in mm. Default: pixdim'),
  maxPixdim: z
    .tuple([voxelLength, voxelLength, voxelLength])
    .optional()
    .describe('Largest voxel size that is kept as it is, in mm. Default: pixdim'),
  diagonal: z
    .boolean()
    .default(false)
    .describe('Align the new axes with the world axes, which removes any rotation'),
  scaleExtent: z
    .boolean()
    .default(false)
    .describe('Align the outer faces of the volume instead of the centres of the outer voxels'),
  keys: keysType('image and label'),
};

type Options = OptionValues<typeof options>;

/**
 * Resamples volumes to voxels of `pixdim` mm, trilinear for images and nearest for labels.
 *
 * The first voxel keeps its position, and the size becomes round((n - 1) * old / new + 1) per axis. Axis
 * directions stay; shears are removed. A voxel size within 0.001 mm of the requested one (1 % of a voxel
 * below 0.1 mm) is kept. Images become float32.
 *
 * Mirrors MONAI 1.3.2's `Spacingd`, without `align_corners` (which has no effect there).
 *
 * @throws OptionError when built, if `pixdim` is not three positive numbers.
 */
export const spacing = operator({
  name: 'spacing',
  summary: 'Resamples volumes to voxels of pixdim mm.',
  mirrors: 'Spacingd, without align_corners, which has no effect there',
  options,
  example: { pixdim: [1.5, 1.5, 2], mode: { image: 'bilinear', label: 'nearest' } },
  forecast: (options) =>
    foreseeVolumes(options.keys, geometryKeys, (volume, key) => {
      const settings = respaceSettings(options, volume, key);
      return resampledForecast(volume, respacedGrid(volume, settings), settings);
    }),
  create: (options, context) =>
    mapVolumes(context, 'cpu', options.keys, geometryKeys, (volume, key) =>
      context.runtime.run(respaceTask, volume, respaceSettings(options, volume, key)),
    ),
});

/** The settings for one volume. Its interpolation depends on its key and kind. */
export function respaceSettings(
  options: Options,
  volume: Pick<Volume, 'kind'>,
  key: string,
): RespaceSettings {
  return {
    pixdim: options.pixdim,
    minPixdim: options.minPixdim,
    maxPixdim: options.maxPixdim,
    mode: forKey(options.mode, key) ?? (volume.kind === 'label' ? 'nearest' : 'bilinear'),
    padding: options.paddingMode,
    diagonal: options.diagonal,
    scaleExtent: options.scaleExtent,
  };
}
