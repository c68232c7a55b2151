import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { flip } from '../volume/turn.js';
import { operator } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeVolumes } from './forecast.js';
import { mapRandomly } from './map.js';

export const flipTask = task(new URL('../volume/turn.js', import.meta.url), flip);

const axis = z.int().min(0).max(2);

/** The schema of an option with the axes to reverse. */
export const flipAxes = z
  .union([axis.transform((one): readonly number[] => [one]), z.array(axis).min(1)])
  .default([0, 1, 2])
  .describe('The axis or axes to reverse: 0 is x, 1 is y, 2 is z');

/**
 * Reverses all selected volumes along `spatialAxis` with probability `prob`. Affines follow: every voxel
 * keeps its position in mm, but the axes now point the other way.
 *
 * Mirrors MONAI's `RandFlipd`; see `drawsFor` for the random draws.
 */
export const randFlip = operator({
  name: 'randFlip',
  summary: 'Randomly reverses volumes along voxel axes.',
  mirrors: "RandFlipd; draws come from voxstream's random generator",
  options: {
    prob: probType,
    spatialAxis: flipAxes,
    seed: seedType,
    keys: keysType('image and label'),
  },
  example: { prob: 0.5, spatialAxis: 0 },
  forecast: ({ keys }) => foreseeVolumes(keys, geometryKeys, (volume) => ({ ...volume })),
  create: ({ prob, spatialAxis, seed, keys }, context) =>
    mapRandomly(
      context,
      { prob, seed, keys, defaults: geometryKeys },
      () => (volume) => context.runtime.run(flipTask, volume, spatialAxis),
    ),
});
