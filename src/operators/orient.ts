import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { axcodesFault, axisMap, orientationOf, parseAxcodes } from '../volume/orientation.js';
import { reorient } from '../volume/reorient.js';
import { operator } from './define.js';
import { foreseeVolumes, turnedForecast } from './forecast.js';
import { mapVolumes } from './map.js';

export const reorientTask = task(new URL('../volume/reorient.js', import.meta.url), reorient);

/**
 * Flips and reorders the voxel axes until they point along `axcodes`.
 *
 * The size [nx, ny, nz], x fastest, is permuted; channels stay. Voxels are copied, never interpolated, so HU
 * stay HU. The affine (voxel index to mm, RAS+) follows the axes: every voxel keeps its position in mm.
 * Oblique and sheared affines count as the nearest orientation.
 *
 * Mirrors MONAI's `Orientationd`, without `as_closest_canonical`.
 *
 * @throws OptionError when built, if `axcodes` does not contain exactly one letter of each pair L/R, P/A and
 * I/S.
 */
export const orient = operator({
  name: 'orient',
  summary: 'Flips and reorders the voxel axes until they point along axcodes.',
  mirrors: 'Orientationd, without as_closest_canonical',
  options: {
    axcodes: z
      .string()
      .describe('The side each voxel axis points to: one letter of each pair L/R, P/A and I/S'),
    keys: keysType('image and label'),
  },
  check: ({ axcodes }) => {
    const fault = axcodesFault(axcodes);
    return fault ? [`axcodes ${fault}, but it is "${axcodes}"`] : [];
  },
  example: { axcodes: 'RAS' },
  forecast: ({ axcodes, keys }) => {
    const target = parseAxcodes(axcodes);
    return foreseeVolumes(keys, geometryKeys, (volume) =>
      turnedForecast(volume, axisMap(orientationOf(volume.affine), target)),
    );
  },
  create: ({ axcodes, keys }, context) => {
    const target = parseAxcodes(axcodes);
    return mapVolumes(context, 'cpu', keys, geometryKeys, (volume) =>
      context.runtime.run(reorientTask, volume, target),
    );
  },
});
