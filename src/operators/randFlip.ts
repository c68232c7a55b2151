import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import type { Case } from '../case.js';
import { task } from '../runtime/task.js';
import { flip } from '../volume/turn.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeVolumes } from './forecast.js';
import { geometryKeys, type Keys, keysType, mapByChance } from './map.js';

const flipTask = task(new URL('../volume/turn.js', import.meta.url), flip);

const axis = z.int().min(0).max(2);

export interface RandFlipOptions {
  /** How likely a case is changed, 0 to 1. Default: 0.1. */
  readonly prob?: number;
  /** The axes to reverse, 0 for x to 2 for z: one, or several at once. Default: all. */
  readonly spatialAxis?: number | readonly number[];
  /** Seed of the draws. Default: the pipeline's, 0 without one. */
  readonly seed?: number;
  /** Volumes to work on, all alike. Default: `image` and `label`, where present. */
  readonly keys?: Keys;
}

const definition = defineOperator<RandFlipOptions>({
  name: 'randFlip',
  summary: 'Reverses volumes along voxel axes, by chance.',
  mirrors: "RandFlipd; the draws are those of voxstream's own generator",
  lane: 'cpu',
  options: {
    prob: probType,
    spatialAxis: z
      .union([axis.transform((one): readonly number[] => [one]), z.array(axis).min(1)])
      .optional()
      .describe('The axes to reverse, 0 for x to 2 for z: one, or several at once. Default: all'),
    seed: seedType,
    keys: keysType('image and label'),
  },
  example: { prob: 0.5, spatialAxis: 0 },
  forecast: ({ keys }) => foreseeVolumes(keys, geometryKeys, (volume) => ({ ...volume })),
  create: ({ prob = 0.1, spatialAxis = [0, 1, 2], seed, keys }, context) =>
    mapByChance(
      context,
      { prob, seed, keys, defaults: geometryKeys },
      () => (volume) => context.runtime.run(flipTask, volume, [spatialAxis].flat()),
    ),
});

/**
 * Reverses the voxels of all chosen volumes along `spatialAxis`, with the probability `prob`. Affines follow: every voxel
 * keeps its place in mm, but the axes now run another way.
 *
 * Mirrors MONAI's `RandFlipd`; see `drawsFor` for the draws.
 */
export function randFlip(
  options: RandFlipOptions = {},
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as randFlipDefinition };
