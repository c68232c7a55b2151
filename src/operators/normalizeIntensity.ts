import { z } from 'zod';
import { DataError } from '../errors.js';
import { intensity, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { normalizeIntensity as kernel } from '../volume/intensity.js';
import { operator } from './define.js';
import { foreseeFloats } from './forecast.js';
import { mapVolumes } from './map.js';

const normalizeIntensityTask = task(new URL('../volume/intensity.js', import.meta.url), kernel);

const oneOrPerChannel = z.union([intensity, z.array(intensity)]).optional();

/**
 * Subtracts the mean and divides by the (population) standard deviation; the result is float32. With
 * `nonzero`, voxels that are 0 are neither counted nor changed. A standard deviation of 0 counts as 1.
 *
 * Mirrors MONAI's `NormalizeIntensityd`.
 *
 * @throws DataError, on the stream, if a list has not one number per channel.
 */
export const normalizeIntensity = operator({
  name: 'normalizeIntensity',
  summary: 'Subtracts the mean and divides by the standard deviation, or uses given numbers.',
  mirrors: 'NormalizeIntensityd',
  options: {
    subtrahend: oneOrPerChannel.describe(
      'Value to subtract: a number, or a list with one per channel. Default: the mean',
    ),
    divisor: oneOrPerChannel.describe(
      'Value to divide by: a number, or a list with one per channel. Default: the standard deviation',
    ),
    nonzero: z.boolean().default(false).describe('Use and change only voxels that are not 0'),
    channelWise: z.boolean().default(false).describe('Normalize each channel separately'),
    keys: keysType('image'),
  },
  check: ({ subtrahend, divisor, channelWise }) =>
    !channelWise && (Array.isArray(subtrahend) || Array.isArray(divisor))
      ? ['subtrahend and divisor may be lists only with channelWise: true']
      : [],
  example: { nonzero: true, channelWise: true },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ keys, ...options }, context) =>
    mapVolumes(context, 'cpu', keys, ['image'], async (volume, key) => {
      for (const name of ['subtrahend', 'divisor'] as const) {
        const list = options[name];
        if (typeof list === 'object' && list.length !== volume.channels) {
          throw new DataError(
            `normalizeIntensity: ${name} holds ${list.length} numbers, but ${key} has ${volume.channels} channel(s).`,
          );
        }
      }
      return context.runtime.run(normalizeIntensityTask, volume, {
        ...options,
        nonzero: options.nonzero,
        channelWise: options.channelWise,
      });
    }),
});
