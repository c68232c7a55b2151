import { z } from 'zod';
import { intensity, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { addNoise } from '../volume/noise.js';
import { operator } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeFloats } from './forecast.js';
import { mapRandomly } from './map.js';

const addNoiseTask = task(new URL('../volume/noise.js', import.meta.url), addNoise);

/**
 * Adds normally distributed noise to the selected volumes with probability `prob`. All volumes of a case get
 * the same noise. The result is float32.
 *
 * Mirrors MONAI's `RandGaussianNoised`; see `drawsFor` for the random draws.
 */
export const randGaussianNoise = operator({
  name: 'randGaussianNoise',
  summary: 'Randomly adds Gaussian noise to intensities.',
  mirrors: "RandGaussianNoised; draws come from voxstream's random generator",
  options: {
    prob: probType,
    mean: intensity.default(0).describe("Mean of the noise, in the image's units"),
    std: intensity
      .min(0)
      .default(0.1)
      .describe('Standard deviation of the noise, or its maximum with sampleStd'),
    sampleStd: z.boolean().default(true).describe('Draw the standard deviation from 0 to std'),
    seed: seedType,
    keys: keysType('image'),
  },
  example: { prob: 0.2, std: 0.05 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ prob, mean, std, sampleStd, seed, keys }, context) =>
    mapRandomly(context, { prob, seed, keys, defaults: ['image'] }, (random) => {
      const deviation = sampleStd ? random.uniform(0, std) : std;
      const stream = [random.uint32(), random.uint32()] as const;
      return (volume) => context.runtime.run(addNoiseTask, volume, mean, deviation, stream);
    }),
});
