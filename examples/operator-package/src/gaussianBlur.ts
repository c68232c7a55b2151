import { foreseeFloats, keysType, mapVolumes, operator, perAxis, task, z } from 'voxstream/author';
import { smooth } from './smooth.js';

const smoothTask = task(new URL('./smooth.js', import.meta.url), smooth);

/**
 * Smooths volumes with a Gaussian of `sigma` voxels. The result is float32 on the same grid.
 *
 * @throws OptionError when built, if `sigma` is negative.
 */
export const gaussianBlur = operator({
  name: 'gaussianBlur',
  summary: 'Smooths volumes with a Gaussian.',
  options: {
    sigma: perAxis(z.number().min(0)).describe('Standard deviation in voxels: one number, or one per axis'),
    keys: keysType('image'),
  },
  example: { sigma: [1, 1, 0.5] },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ sigma, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['image'], (volume) => context.runtime.run(smoothTask, volume, sigma)),
});
