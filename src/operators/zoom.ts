import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { DataError } from '../errors.js';
import { keysType, perAxis } from '../optionTypes.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { paddingModes, padOrCropBox } from '../volume/crop.js';
import { zoom as kernel, type ZoomSettings, zoomedSize } from '../volume/resize.js';
import type { Triple, Vec3, Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { foreseeVolumes, onGrid, type VolumeForecast } from './forecast.js';
import { mapVolumes } from './map.js';
import { alignCornersType, resizedForecast, resizeMode, resizeModeType } from './resize.js';

const zoomTask = task(new URL('../volume/resize.js', import.meta.url), kernel);

/** A factor by which volumes are scaled. */
export const zoomFactor = z.number().min(0.001).max(1000);

/** Options that `zoom` and `randZoom` share. */
export const zoomTypes = {
  mode: resizeModeType,
  paddingMode: z
    .enum(paddingModes)
    .default('edge')
    .describe('How the rest is filled if the volume becomes smaller'),
  alignCorners: alignCornersType,
  keepSize: z.boolean().default(true).describe('Crop or pad the result to the size of the volume'),
};

/**
 * Scales volumes by a factor about their middle. With `keepSize`, they are then cropped or padded to the size
 * that they had. Affines follow: every structure keeps its position in mm. `invert` scales back.
 *
 * Mirrors MONAI's `Zoomd`, except that labels use nearest unless `mode` says otherwise.
 *
 * @throws DataError, on the stream, if a volume would have no voxels.
 */
export const zoom = operator({
  name: 'zoom',
  summary: 'Scales volumes by a factor, within their size.',
  mirrors: 'Zoomd, except that labels use nearest unless mode says otherwise',
  options: {
    zoom: perAxis(zoomFactor).describe(
      'The factor: one number, or one per axis; above 1 enlarges structures',
    ),
    ...zoomTypes,
    keys: keysType('image and label'),
  },
  example: { zoom: 1.3, mode: { image: 'trilinear', label: 'nearest' } },
  forecast: ({ zoom: factors, mode, paddingMode, alignCorners, keepSize, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume, key) =>
      zoomedForecast(volume, factors, {
        mode: resizeMode(mode, volume, key),
        padding: paddingMode,
        alignCorners,
        keepSize,
      }),
    ),
  create: ({ zoom: factors, mode, paddingMode, alignCorners, keepSize, keys }, context) =>
    mapVolumes(context, 'cpu', keys, geometryKeys, (volume, key) =>
      zoomVolume(context.runtime, volume, key, factors, {
        mode: resizeMode(mode, volume, key),
        padding: paddingMode,
        alignCorners,
        keepSize,
      }),
    ),
});

/** Zooms a volume in a worker thread. */
export async function zoomVolume(
  runtime: Runtime,
  volume: Volume,
  key: string,
  factors: Vec3,
  settings: ZoomSettings,
): Promise<Volume> {
  if (zoomedSize(volume.size, factors).some((n) => n < 1)) {
    throw new DataError(
      `${key} has ${volume.size.join(' x ')} voxels. Zoomed by [${factors.join(', ')}] it would have none along an axis.`,
    );
  }
  return runtime.run(zoomTask, volume, factors, settings);
}

/** The volume after `zoomVolume`. */
export function zoomedForecast(
  volume: VolumeForecast,
  factors: Vec3,
  settings: ZoomSettings,
): VolumeForecast {
  const size = zoomedSize(volume.size, factors).map((n) => Math.max(n, 1)) as Triple;
  const scaled = resizedForecast(volume, size, settings.mode, settings.alignCorners);
  if (!settings.keepSize) return scaled;
  const box = padOrCropBox(scaled.size, volume.size, 'symmetric');
  return onGrid(scaled, { ...scaled, size: box.size }, { step: 'cropOrPad', start: box.start });
}
