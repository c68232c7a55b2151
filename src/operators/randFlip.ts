import { z } from 'zod';
import { geometryKeys } from '../case.js';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { flip } from '../volume/turn.js';
import { operator } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeVolumes } from './forecast.js';
import { mapByChance } from './map.js';

const flipTask = task(new URL('../volume/turn.js', import.meta.url), flip);

const axis = z.int().min(0).max(2);

/**
 * Reverses the voxels of all chosen volumes along `spatialAxis`, with the probability `prob`. Affines follow: every voxel
 * keeps its place in mm, but the axes now run another way.
 *
 * Mirrors MONAI's `RandFlipd`; see `drawsFor` for the draws.
 */
export const randFlip = operator({
  name: 'randFlip',
  summary: 'Reverses volumes along voxel axes, by chance.',
  mirrors: "RandFlipd; the draws are those of voxstream's own generator",
  options: {
    prob: probType,
    spatialAxis: z
      .union([axis.transform((one): readonly number[] => [one]), z.array(axis).min(1)])
      .default([0, 1, 2])
      .describe('The axes to reverse, 0 for x to 2 for z: one, or several at once'),
    seed: seedType,
    keys: keysType('image and label'),
  },
  example: { prob: 0.5, spatialAxis: 0 },
  forecast: ({ keys }) => foreseeVolumes(keys, geometryKeys, (volume) => ({ ...volume })),
  create: ({ prob, spatialAxis, seed, keys }, context) =>
    mapByChance(
      context,
      { prob, seed, keys, defaults: geometryKeys },
      () => (volume) => context.runtime.run(flipTask, volume, spatialAxis),
    ),
});
