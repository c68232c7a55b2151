import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { keysType, perAxis, voxelLength } from '../optionTypes.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { cornerZoomGrid, zoomCornerSlices, zoomCorners } from '../volume/cornerZoom.js';
import { allocate, type Grid, type Volume, voxelCount } from '../volume/volume.js';
import { operator } from './define.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { mapVolumes } from './map.js';
import { inParts } from './parts.js';

const cornerZoom = new URL('../volume/cornerZoom.js', import.meta.url);
const zoomCornerSlicesTask = task(cornerZoom, zoomCornerSlices);
const zoomCornersTask = task(cornerZoom, zoomCorners);

/**
 * Resamples volumes to a voxel size as TotalSegmentator does with scipy's `ndimage.zoom`: the size becomes
 * round(old spacing / new spacing * old size), halves to the even number, and the centres of the corner
 * voxels coincide. Images are interpolated linearly and labels use the nearest voxel. The affine states
 * exactly `pixdim`, as in TotalSegmentator. A volume whose voxel size, rounded to float32, is exactly
 * `pixdim` is left as it is.
 *
 * With `dtype: int32`, fractions of images are cut off (towards zero). `invert` returns labels with the
 * nearest voxel, and images linearly.
 */
export const zoomToSpacing = operator({
  name: 'zoomToSpacing',
  summary: 'Resamples volumes to a voxel size with aligned corners, as TotalSegmentator does.',
  options: {
    pixdim: perAxis(voxelLength).describe('Voxel size in mm: one number, or one per axis'),
    dtype: z
      .enum(['float32', 'int32'])
      .default('float32')
      .describe('Voxel type of resampled images; int32 cuts fractions off'),
    keys: keysType('image and label'),
  },
  example: { pixdim: 1.5, dtype: 'int32' },
  forecast: ({ pixdim, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => {
      const grid = cornerZoomGrid(volume, pixdim);
      if (!grid) return volume;
      const zoomed = onGrid(volume, grid, { step: 'cornerZoom' });
      return volume.kind === 'label' ? zoomed : { ...zoomed, bytesPerVoxel: 4 };
    }),
  create: ({ pixdim, dtype, keys }, context) =>
    mapVolumes(context, 'cpu', keys, geometryKeys, async (volume) => {
      const grid = cornerZoomGrid(volume, pixdim);
      if (!grid) return volume;
      const { size, affine } = volume;
      const zoomed =
        volume.kind === 'label'
          ? await context.runtime.run(zoomCornersTask, volume, grid, 'nearest')
          : await interpolated(context.runtime, volume, grid, dtype);
      return { ...zoomed, history: [...volume.history, { step: 'cornerZoom', from: { size, affine } }] };
    }),
});

/** Interpolates each channel on all worker threads. */
async function interpolated(
  runtime: Runtime,
  volume: Volume,
  grid: Grid,
  dtype: 'float32' | 'int32',
): Promise<Volume> {
  const [count, outCount] = [voxelCount(volume.size), voxelCount(grid.size)];
  const data = allocate(dtype, outCount * volume.channels);
  for (let c = 0; c < volume.channels; c++) {
    const channel = volume.data.subarray(c * count, (c + 1) * count);
    const out = data.subarray(c * outCount, (c + 1) * outCount);
    await inParts(runtime, grid.size[2], (first, last) =>
      runtime.run(zoomCornerSlicesTask, channel, volume.size, grid.size, first, last, out),
    );
  }
  return { ...volume, ...grid, data };
}
