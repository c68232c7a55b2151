import { geometryKeys } from '../case.js';
import { keysType } from '../optionTypes.js';
import { operator } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeVolumes } from './forecast.js';
import { mapRandomly } from './map.js';
import { flipTask } from './randFlip.js';

/**
 * Reverses all selected volumes along one random axis, with probability `prob`. Affines follow: every voxel
 * keeps its position in mm.
 *
 * Mirrors MONAI's `RandAxisFlipd`; see `drawsFor` for the random draws.
 */
export const randAxisFlip = operator({
  name: 'randAxisFlip',
  summary: 'Randomly reverses volumes along an axis that is drawn at random.',
  mirrors: "RandAxisFlipd; draws come from voxstream's random generator",
  options: {
    prob: probType,
    seed: seedType,
    keys: keysType('image and label'),
  },
  example: { prob: 0.5 },
  forecast: ({ keys }) => foreseeVolumes(keys, geometryKeys, (volume) => ({ ...volume })),
  create: (options, context) =>
    mapRandomly(context, { ...options, defaults: geometryKeys }, (random) => {
      const axes = [random.integer(3)];
      return (volume) => context.runtime.run(flipTask, volume, axes);
    }),
});
