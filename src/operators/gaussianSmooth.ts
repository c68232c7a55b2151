import { z } from 'zod';
import { keysType, perAxis, voxelWidth } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { gaussianApproximations, gaussianSmooth as kernel } from '../volume/smooth.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapVolumes } from './map.js';

export const gaussianSmoothTask = task(new URL('../volume/smooth.js', import.meta.url), kernel);

/**
 * Smooths volumes with a Gaussian of `sigma` voxels. Voxels outside the volume count as 0, so values fall
 * towards the borders. The result is float32.
 *
 * Mirrors MONAI's `GaussianSmoothd`.
 *
 * @throws OptionError when built, if `sigma` is negative.
 */
export const gaussianSmooth = operator({
  name: 'gaussianSmooth',
  summary: 'Smooths volumes with a Gaussian.',
  mirrors: 'GaussianSmoothd',
  options: {
    sigma: perAxis(voxelWidth)
      .default([1, 1, 1])
      .describe('Standard deviation in voxels: one number, or one per axis; 0 leaves an axis unchanged'),
    approx: z
      .enum(gaussianApproximations)
      .default('erf')
      .describe('How the weights are computed: integrated over each voxel, sampled, or a discrete Gaussian'),
    keys: keysType('image'),
  },
  example: { sigma: 1 },
  forecast: ({ keys }) => foreseeVolumes(keys, ['image'], (volume) => ({ ...volume, bytesPerVoxel: 4 })),
  create: ({ sigma, approx, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['image'], (volume) =>
      context.runtime.run(gaussianSmoothTask, volume, sigma, approx),
    ),
});
