import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { rotate90 } from '../volume/turn.js';
import { operator } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeVolumes } from './forecast.js';
import { mapRandomly } from './map.js';

export const rotate90Task = task(new URL('../volume/turn.js', import.meta.url), rotate90);

const axis = z.int().min(0).max(2);

/** The schema of an option with the plane of a rotation. */
export const plane = z
  .tuple([axis, axis])
  .default([0, 1])
  .describe('The plane of the rotation, from the first axis towards the second: 0 is x, 1 is y, 2 is z');

/** The rule for a plane. */
export function planeFaults([first, second]: readonly [number, number]): string[] {
  return first === second
    ? [`spatialAxes must be two different axes, but they are [${first}, ${second}]`]
    : [];
}

/**
 * Rotates all selected volumes by the same number of quarter turns, with probability `prob`. Affines follow:
 * every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `RandRotate90d`; see `drawsFor` for the random draws.
 */
export const randRotate90 = operator({
  name: 'randRotate90',
  summary: 'Randomly rotates volumes by quarter turns.',
  mirrors: "RandRotate90d; draws come from voxstream's random generator",
  options: {
    prob: probType,
    maxK: z
      .int()
      .min(1)
      .max(1000)
      .default(3)
      .describe('Maximum number of quarter turns; all numbers from 1 to it are equally likely'),
    spatialAxes: plane,
    seed: seedType,
    keys: keysType('image and label'),
  },
  check: ({ spatialAxes }) => planeFaults(spatialAxes),
  example: { prob: 0.1, maxK: 3 },
  forecast: ({ keys }) => foreseeVolumes(keys, geometryKeys, (volume) => ({ ...volume })),
  create: ({ prob, maxK, spatialAxes, seed, keys }, context) =>
    mapRandomly(context, { prob, seed, keys, defaults: geometryKeys }, (random) => {
      const k = random.integer(maxK) + 1;
      return (volume) => context.runtime.run(rotate90Task, volume, k, spatialAxes);
    }),
});
