import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { keysType } from '../optionTypes.js';
import { rotate90Map } from '../volume/turn.js';
import { operator } from './define.js';
import { foreseeVolumes, turnedForecast } from './forecast.js';
import { mapVolumes } from './map.js';
import { plane, planeFaults, rotate90Task } from './randRotate90.js';

/**
 * Rotates volumes by quarter turns. Affines follow: every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `Rotate90d`.
 */
export const rotate90 = operator({
  name: 'rotate90',
  summary: 'Rotates volumes by quarter turns.',
  mirrors: 'Rotate90d',
  options: {
    k: z.int().min(-1000).max(1000).default(1).describe('The number of quarter turns'),
    spatialAxes: plane,
    keys: keysType('image and label'),
  },
  check: ({ spatialAxes }) => planeFaults(spatialAxes),
  example: { k: 1, spatialAxes: [0, 1] },
  forecast: ({ k, spatialAxes, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => turnedForecast(volume, rotate90Map(k, spatialAxes))),
  create: ({ k, spatialAxes, keys }, context) =>
    mapVolumes(context, 'cpu', keys, geometryKeys, (volume) =>
      context.runtime.run(rotate90Task, volume, k, spatialAxes),
    ),
});
