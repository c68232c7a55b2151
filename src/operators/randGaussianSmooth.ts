import { z } from 'zod';
import { keysType, voxelWidth } from '../optionTypes.js';

import type { Triple } from '../volume/volume.js';
import { operator } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeFloats } from './forecast.js';
import { gaussianSmoothTask } from './gaussianSmooth.js';
import { mapRandomly } from './map.js';

const sigma = z.tuple([voxelWidth, voxelWidth]).default([0.25, 1.5]);

/**
 * Smooths the selected volumes with a Gaussian, with probability `prob`. The width is drawn for each axis.
 * Voxels outside the volume count as 0. The result is float32.
 *
 * Mirrors MONAI's `RandGaussianSmoothd` with its default `approx`, `erf`; see `drawsFor` for the random
 * draws.
 */
export const randGaussianSmooth = operator({
  name: 'randGaussianSmooth',
  summary: 'Randomly smooths intensities with a Gaussian.',
  mirrors: "RandGaussianSmoothd with approx erf; draws come from voxstream's random generator",
  options: {
    sigmaX: sigma.describe('Range of the standard deviation along x, in voxels'),
    sigmaY: sigma.describe('Range of the standard deviation along y, in voxels'),
    sigmaZ: sigma.describe('Range of the standard deviation along z, in voxels'),
    prob: probType,
    seed: seedType,
    keys: keysType('image'),
  },
  example: { sigmaX: [0.5, 1], sigmaY: [0.5, 1], sigmaZ: [0.5, 1], prob: 0.1 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ sigmaX, sigmaY, sigmaZ, prob, seed, keys }, context) =>
    mapRandomly(context, { prob, seed, keys, defaults: ['image'] }, (random) => {
      const deviations = [sigmaX, sigmaY, sigmaZ].map(([low, high] = [0.25, 1.5]) =>
        random.uniform(low, high),
      );
      return (volume) => context.runtime.run(gaussianSmoothTask, volume, deviations as Triple);
    }),
});
