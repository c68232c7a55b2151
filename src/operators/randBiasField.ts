import { z } from 'zod';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { applyBiasField, biasCoefficients } from '../volume/biasField.js';
import { operator } from './define.js';
import { probType, seedType } from './draws.js';
import { foreseeFloats } from './forecast.js';
import { mapRandomly } from './map.js';

const applyBiasFieldTask = task(new URL('../volume/biasField.js', import.meta.url), applyBiasField);

const coefficient = z.number().min(-1000).max(1000);

/**
 * Multiplies intensities by a smooth random field, as the coils of an MR scanner do, with probability `prob`.
 * The field is the exponential of a polynomial in x, y and z; all channels get the same one. The result is
 * float32.
 *
 * Mirrors MONAI's `RandBiasFieldd`; see `drawsFor` for the random draws.
 */
export const randBiasField = operator({
  name: 'randBiasField',
  summary: 'Randomly multiplies intensities by a smooth field.',
  mirrors: "RandBiasFieldd; draws come from voxstream's random generator",
  options: {
    prob: probType,
    degree: z.int().min(1).max(20).default(3).describe('Largest total degree of the polynomial'),
    coeffRange: z
      .tuple([coefficient, coefficient])
      .default([0, 0.1])
      .describe('Range of its coefficients, which are those of products of Legendre polynomials'),
    seed: seedType,
    keys: keysType('image'),
  },
  example: { prob: 0.2, degree: 3, coeffRange: [0, 0.1] },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: (options, context) =>
    mapRandomly(context, { ...options, defaults: ['image'] }, (random) => {
      const { degree, coeffRange } = options;
      const coefficients = Array.from({ length: biasCoefficients(degree) }, () =>
        random.uniform(...coeffRange),
      );
      return (volume) => context.runtime.run(applyBiasFieldTask, volume, degree, coefficients);
    }),
});
