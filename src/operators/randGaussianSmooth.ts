import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import type { Case } from '../case.js';
import { task } from '../runtime/task.js';
import { gaussianSmooth } from '../volume/noise.js';
import type { Vec3 } from '../volume/volume.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeFloats } from './forecast.js';
import { type Keys, keysType, mapByChance } from './map.js';

const gaussianSmoothTask = task(new URL('../volume/noise.js', import.meta.url), gaussianSmooth);

const deviation = z.number().min(0);
const sigma = z.tuple([deviation, deviation]).default([0.25, 1.5]);

export interface RandGaussianSmoothOptions {
  /** The range of the standard deviation along x, in voxels. Default: 0.25 to 1.5. */
  readonly sigmaX?: readonly [number, number];
  /** The range of the standard deviation along y, in voxels. Default: 0.25 to 1.5. */
  readonly sigmaY?: readonly [number, number];
  /** The range of the standard deviation along z, in voxels. Default: 0.25 to 1.5. */
  readonly sigmaZ?: readonly [number, number];
  /** How likely a case is changed, 0 to 1. Default: 0.1. */
  readonly prob?: number;
  /** Seed of the draws. Default: the pipeline's, 0 without one. */
  readonly seed?: number;
  /** Volumes to work on. Default: `image`. */
  readonly keys?: Keys;
}

const definition = defineOperator<RandGaussianSmoothOptions>({
  name: 'randGaussianSmooth',
  summary: 'Smooths intensities with a Gaussian, by chance.',
  mirrors: "RandGaussianSmoothd with approx erf; the draws are those of voxstream's own generator",
  lane: 'cpu',
  options: {
    sigmaX: sigma.describe('The range of the standard deviation along x, in voxels'),
    sigmaY: sigma.describe('The range of the standard deviation along y, in voxels'),
    sigmaZ: sigma.describe('The range of the standard deviation along z, in voxels'),
    prob: probType,
    seed: seedType,
    keys: keysType('image'),
  },
  example: { sigmaX: [0.5, 1], sigmaY: [0.5, 1], sigmaZ: [0.5, 1], prob: 0.1 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ sigmaX, sigmaY, sigmaZ, prob = 0.1, seed, keys }, context) =>
    mapByChance(context, { prob, seed, keys, defaults: ['image'] }, (random) => {
      const deviations = [sigmaX, sigmaY, sigmaZ].map(([low, high] = [0.25, 1.5]) =>
        random.uniform(low, high),
      );
      return (volume) => context.runtime.run(gaussianSmoothTask, volume, deviations as unknown as Vec3);
    }),
});

/**
 * Smooths the chosen volumes with a Gaussian whose width is drawn for each axis, with the probability `prob`; voxels
 * outside count as 0. As float32.
 *
 * Mirrors MONAI's `RandGaussianSmoothd` with its default `approx`, `erf`; see `drawsFor` for the draws.
 */
export function randGaussianSmooth(
  options: RandGaussianSmoothOptions = {},
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as randGaussianSmoothDefinition };
