import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { isIdentity, mapGridAxes } from '../volume/orientation.js';
import { permuteAxes as kernel } from '../volume/reorient.js';
import type { Triple } from '../volume/volume.js';
import { operator } from './define.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { mapVolumes } from './map.js';

const permuteAxesTask = task(new URL('../volume/reorient.js', import.meta.url), kernel);

const axisNumber = z.int().min(0).max(2);

/**
 * Reorders the voxel axes, whatever directions they have: axis k of the result is axis `axes[k]` of the
 * volume. Voxels are copied, and the affine follows, so every voxel keeps its position in mm. `invert` undoes
 * it.
 *
 * With `axes` [2, 0, 1], a volume of 10 x 20 x 30 voxels becomes one of 30 x 10 x 20.
 *
 * @throws OptionError when built, if `axes` does not hold each of 0, 1 and 2 once.
 */
export const permuteAxes = operator({
  name: 'permuteAxes',
  summary: 'Reorders the voxel axes by number.',
  options: {
    axes: z
      .tuple([axisNumber, axisNumber, axisNumber])
      .describe('For each axis of the result, the axis of the volume: 0 for x, 1 for y, 2 for z'),
    keys: keysType('image and label'),
  },
  check: ({ axes }) =>
    new Set(axes).size === 3
      ? []
      : [`axes must hold each of 0, 1 and 2 once, but it is [${axes.join(', ')}]`],
  example: { axes: [2, 0, 1] },
  forecast: ({ axes, keys }) => {
    const map = { axes: axes as Triple, flips: [1, 1, 1] as Triple };
    return foreseeVolumes(keys, geometryKeys, (volume) =>
      isIdentity(map) ? volume : onGrid(volume, mapGridAxes(volume, map), { step: 'orient', ...map }),
    );
  },
  create: ({ axes, keys }, context) =>
    mapVolumes(context, 'cpu', keys, geometryKeys, (volume) =>
      context.runtime.run(permuteAxesTask, volume, axes as Triple),
    ),
});
