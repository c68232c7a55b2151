import { z } from 'zod';
import { keysType } from '../optionTypes.js';
import { adjustContrastTask } from './adjustContrast.js';
import { operator } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeFloats } from './forecast.js';
import { mapRandomly } from './map.js';

const exponent = z.number().min(-100).max(100);

/**
 * Raises the intensities of the selected volumes to a random power within their range, with probability
 * `prob`. The result is float32.
 *
 * Mirrors MONAI's `RandAdjustContrastd`; see `drawsFor` for the random draws.
 *
 * @throws OptionError when built, if `gamma` is a number that is not above 0.5.
 */
export const randAdjustContrast = operator({
  name: 'randAdjustContrast',
  summary: 'Randomly raises intensities to a power, within their range.',
  mirrors: "RandAdjustContrastd; draws come from voxstream's random generator",
  options: {
    prob: probType,
    gamma: z
      .union([
        z
          .number()
          .gt(0.5)
          .max(100)
          .transform((most): readonly [number, number] => [0.5, most]),
        z.tuple([exponent, exponent]),
      ])
      .default([0.5, 4.5])
      .describe('Range of the exponent; a number g above 0.5 means 0.5..g'),
    invertImage: z
      .boolean()
      .default(false)
      .describe('Negate the image before the step, and the result after it'),
    retainStats: z
      .boolean()
      .default(false)
      .describe('Restore the mean and the standard deviation of the image afterwards'),
    seed: seedType,
    keys: keysType('image'),
  },
  example: { prob: 0.3, gamma: [0.7, 1.5] },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: (options, context) =>
    mapRandomly(context, { ...options, defaults: ['image'] }, (random) => {
      const { invertImage, retainStats } = options;
      const gamma = random.uniform(Math.min(...options.gamma), Math.max(...options.gamma));
      return (volume) => context.runtime.run(adjustContrastTask, volume, { gamma, invertImage, retainStats });
    }),
});
