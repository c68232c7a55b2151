import { z } from 'zod';
import { geometryKeys } from '../case.js';
import type { OptionValues } from '../options.js';
import { byKey, forKey, keysType, perAxis, sizePerAxis, voxelWidth } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { resizedAffine, resizedSize, resizeModes, resizeTo } from '../volume/resize.js';
import type { ResizeMode, Vec3, Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { bytesOf, foreseeVolumes, onGrid, type VolumeForecast } from './forecast.js';
import { mapVolumes } from './map.js';

const resizeTask = task(new URL('../volume/resize.js', import.meta.url), resizeTo);

/** The schema of a `mode` option for scaling. */
export const resizeModeType = byKey(z.enum([...resizeModes, 'bilinear']))
  .optional()
  .describe(
    'area (the mean over each new voxel), trilinear (also called bilinear), nearest or nearest-exact, or a map ' +
      'by key. Default: nearest for labels, area for the rest',
  );

/** The schema of an `alignCorners` option. */
export const alignCornersType = z
  .boolean()
  .default(false)
  .describe('For trilinear: align the centres of the outer voxels instead of their outer faces');

const options = {
  spatialSize: sizePerAxis.describe(
    'Size of the result in voxels: one number, or one per axis; 0 or less keeps the axis',
  ),
  sizeMode: z
    .enum(['all', 'longest'])
    .default('all')
    .describe('longest: scale all axes alike, so that the longest one has spatialSize voxels'),
  mode: resizeModeType,
  alignCorners: alignCornersType,
  antiAliasing: z
    .boolean()
    .default(false)
    .describe('Smooth images, not labels, with a Gaussian before they become smaller'),
  antiAliasingSigma: perAxis(voxelWidth)
    .optional()
    .describe(
      'Its standard deviation in voxels along the axes that become smaller. Default: (old size / new size - 1) / 2',
    ),
  keys: keysType('image and label'),
};

type Options = OptionValues<typeof options>;

/**
 * Scales volumes to a size in voxels. The outer faces of the volume keep their position, so the voxel size
 * changes by the same factor. `invert` scales back in the same mode. The result is float32, or has the same
 * type in the modes `nearest` and `nearest-exact`.
 *
 * Mirrors MONAI's `Resized`, except that labels use nearest unless `mode` says otherwise, and are never
 * smoothed.
 *
 * @throws OptionError when built, if `sizeMode` is longest and `spatialSize` differs by axis.
 */
export const resize = operator({
  name: 'resize',
  summary: 'Scales volumes to a size in voxels.',
  mirrors: 'Resized, except that labels use nearest unless mode says otherwise, and are never smoothed',
  options,
  check: ({ spatialSize, sizeMode, antiAliasing, antiAliasingSigma }) => [
    ...(sizeMode === 'longest' && !(spatialSize[0] > 0 && spatialSize.every((n) => n === spatialSize[0]))
      ? [
          `with sizeMode longest, spatialSize must be one positive number, but it is [${spatialSize.join(', ')}]`,
        ]
      : []),
    ...(antiAliasingSigma && !antiAliasing
      ? ['antiAliasingSigma has an effect only with antiAliasing: true']
      : []),
  ],
  example: { spatialSize: [128, 128, 128], mode: { image: 'trilinear', label: 'nearest' } },
  forecast: (given) =>
    foreseeVolumes(
      given.keys,
      geometryKeys,
      (volume, key) => {
        const resized = resizedForecast(
          volume,
          resizedSize(volume.size, given.spatialSize, given.sizeMode),
          resizeMode(given.mode, volume, key),
          given.alignCorners,
        );
        // Smoothed voxels are float32 in every mode.
        return resized !== volume && smooths(given, volume) ? { ...resized, bytesPerVoxel: 4 } : resized;
      },
      (volume) => (smooths(given, volume) ? bytesOf({ ...volume, bytesPerVoxel: 4 }) : 0),
    ),
  create: (given, context) =>
    mapVolumes(context, 'cpu', given.keys, geometryKeys, (volume, key) =>
      context.runtime.run(
        resizeTask,
        volume,
        resizedSize(volume.size, given.spatialSize, given.sizeMode),
        resizeMode(given.mode, volume, key),
        given.alignCorners,
        smooths(given, volume) ? { sigma: given.antiAliasingSigma } : undefined,
      ),
    ),
});

function smooths({ antiAliasing }: Options, { kind }: Pick<Volume, 'kind'>): boolean {
  return antiAliasing && kind !== 'label';
}

/** The mode for one volume; it depends on its key and kind. */
export function resizeMode(mode: Options['mode'], { kind }: Pick<Volume, 'kind'>, key: string): ResizeMode {
  const given = forKey(mode, key) ?? (kind === 'label' ? 'nearest' : 'area');
  return given === 'bilinear' ? 'trilinear' : given;
}

/** The volume after it was scaled to a size. */
export function resizedForecast(
  volume: VolumeForecast,
  size: Vec3,
  mode: ResizeMode,
  alignCorners: boolean,
): VolumeForecast {
  if (size.every((n, axis) => n === volume.size[axis])) return volume;
  const resized = onGrid(
    volume,
    { size, affine: resizedAffine(volume, size) },
    { step: 'resize', mode, alignCorners },
  );
  return mode.startsWith('nearest') ? resized : { ...resized, bytesPerVoxel: 4 };
}
