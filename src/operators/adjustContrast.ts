import { z } from 'zod';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { adjustContrast as kernel } from '../volume/contrast.js';
import { operator } from './define.js';
import { foreseeFloats } from './forecast.js';
import { mapVolumes } from './map.js';

export const adjustContrastTask = task(new URL('../volume/contrast.js', import.meta.url), kernel);

/**
 * Changes the contrast: intensities are scaled to 0..1, raised to the power `gamma`, and scaled back to their
 * range, which is that of all channels together. The result is float32.
 *
 * Mirrors MONAI's `AdjustContrastd`.
 */
export const adjustContrast = operator({
  name: 'adjustContrast',
  summary: 'Raises intensities to the power gamma, within their range.',
  mirrors: 'AdjustContrastd',
  options: {
    gamma: z
      .number()
      .min(-100)
      .max(100)
      .describe('The exponent: below 1 brightens the image, above 1 darkens it'),
    invertImage: z
      .boolean()
      .default(false)
      .describe('Negate the image before the step, and the result after it'),
    retainStats: z
      .boolean()
      .default(false)
      .describe('Restore the mean and the standard deviation of the image afterwards'),
    keys: keysType('image'),
  },
  example: { gamma: 0.7 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ keys, ...options }, context) =>
    mapVolumes(context, 'cpu', keys, ['image'], (volume) =>
      context.runtime.run(adjustContrastTask, volume, options),
    ),
});
