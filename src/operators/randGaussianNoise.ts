import { z } from 'zod';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { addNoise } from '../volume/noise.js';
import { operator } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeFloats } from './forecast.js';
import { mapByChance } from './map.js';

const addNoiseTask = task(new URL('../volume/noise.js', import.meta.url), addNoise);

/**
 * Adds normally distributed numbers to the voxels of the chosen volumes, the same ones to each, with the probability
 * `prob`; as float32.
 *
 * Mirrors MONAI's `RandGaussianNoised`; see `drawsFor` for the draws.
 */
export const randGaussianNoise = operator({
  name: 'randGaussianNoise',
  summary: 'Adds Gaussian noise to intensities, by chance.',
  mirrors: "RandGaussianNoised; the draws are those of voxstream's own generator",
  options: {
    prob: probType,
    mean: z.number().default(0).describe("Mean of the noise, in the image's units"),
    std: z.number().min(0).default(0.1).describe('Standard deviation of the noise, or the most it may be'),
    sampleStd: z.boolean().default(true).describe('Draw the standard deviation from 0 to std'),
    seed: seedType,
    keys: keysType('image'),
  },
  example: { prob: 0.2, std: 0.05 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ prob, mean, std, sampleStd, seed, keys }, context) =>
    mapByChance(context, { prob, seed, keys, defaults: ['image'] }, (random) => {
      const deviation = sampleStd ? random.uniform(0, std) : std;
      const stream = [random.uint32(), random.uint32()] as const;
      return (volume) => context.runtime.run(addNoiseTask, volume, mean, deviation, stream);
    }),
});
