import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { rotate90 } from '../volume/turn.js';
import { operator } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeVolumes } from './forecast.js';
import { mapByChance } from './map.js';

const rotate90Task = task(new URL('../volume/turn.js', import.meta.url), rotate90);

const axis = z.int().min(0).max(2);

/**
 * Turns all chosen volumes by the same number of quarter turns, with the probability `prob`. Affines follow: every voxel
 * keeps its place in mm.
 *
 * Mirrors MONAI's `RandRotate90d`; see `drawsFor` for the draws.
 */
export const randRotate90 = operator({
  name: 'randRotate90',
  summary: 'Turns volumes by quarter turns, by chance.',
  mirrors: "RandRotate90d; the draws are those of voxstream's own generator",
  options: {
    prob: probType,
    maxK: z.int().min(1).default(3).describe('Most quarter turns; 1 up to this many are equally likely'),
    spatialAxes: z
      .tuple([axis, axis])
      .default([0, 1])
      .describe('The turn goes from the first axis towards the second, 0 for x to 2 for z'),
    seed: seedType,
    keys: keysType('image and label'),
  },
  check: ({ spatialAxes: [first, second] = [0, 1] }) =>
    first === second ? [`spatialAxes must be two different axes, but they are [${first}, ${second}]`] : [],
  example: { prob: 0.1, maxK: 3 },
  forecast: ({ keys }) => foreseeVolumes(keys, geometryKeys, (volume) => ({ ...volume })),
  create: ({ prob, maxK, spatialAxes, seed, keys }, context) =>
    mapByChance(context, { prob, seed, keys, defaults: geometryKeys }, (random) => {
      const k = random.integer(maxK) + 1;
      return (volume) => context.runtime.run(rotate90Task, volume, k, spatialAxes);
    }),
});
