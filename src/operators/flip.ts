import { geometryKeys } from '../case.js';
import { keysType } from '../optionTypes.js';
import { flipMap } from '../volume/turn.js';
import { operator } from './define.js';
import { foreseeVolumes, turnedForecast } from './forecast.js';
import { mapVolumes } from './map.js';
import { flipAxes, flipTask } from './randFlip.js';

/**
 * Reverses volumes along voxel axes. Affines follow: every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `Flipd`.
 */
export const flip = operator({
  name: 'flip',
  summary: 'Reverses volumes along voxel axes.',
  mirrors: 'Flipd',
  options: {
    spatialAxis: flipAxes,
    keys: keysType('image and label'),
  },
  example: { spatialAxis: 0 },
  forecast: ({ spatialAxis, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => turnedForecast(volume, flipMap(spatialAxis))),
  create: ({ spatialAxis, keys }, context) =>
    mapVolumes(context, 'cpu', keys, geometryKeys, (volume) =>
      context.runtime.run(flipTask, volume, spatialAxis),
    ),
});
