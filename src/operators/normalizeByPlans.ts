import { z } from 'zod';
import { volumeOf, withVolumes } from '../case.js';
import { DataError } from '../errors.js';
import { channelScheme } from '../models/nnunet/card.js';
import { task } from '../runtime/task.js';
import { normalizeByPlans as kernel, type Normalization } from '../volume/normalizeByPlans.js';
import { operator } from './define.js';
import { foreseeFloats } from './forecast.js';
import { mapCase } from './map.js';

const normalizeByPlansTask = task(new URL('../volume/normalizeByPlans.js', import.meta.url), kernel);

/**
 * Normalizes each channel of an image by its own scheme, as nnU-Net v2's plans say; the result is float32.
 *
 * - `ct`: values are clipped to `low` and `high`; `mean` is subtracted; the rest is divided by `std`.
 * - `zScore`: the image's mean is subtracted, and the rest divided by its population standard deviation. With
 *   `mask: true`, only voxels inside the mask are used and changed.
 * - `rescale`: the smallest value becomes 0, the largest 1.
 * - `rgb`: values from 0 to 255 become 0 to 1. Others are an error.
 * - `none`: values stay.
 *
 * Divisors are at least 1e-8.
 *
 * @throws OptionError when built, if a channel with `ct` lacks a number; DataError, on the stream, if the
 * image has another number of channels.
 */
export const normalizeByPlans = operator({
  name: 'normalizeByPlans',
  summary: "Normalizes each channel by the scheme that nnU-Net's plans give for it.",
  options: {
    channels: z.array(channelScheme).min(1).describe('The scheme of each channel, in order'),
    mask: z
      .string()
      .min(1)
      .default('nonzero')
      .describe('The volume that is the mask for channels with mask: true; see cropNonzero'),
    key: z.string().min(1).default('image').describe('The volume to normalize'),
  },
  check: ({ channels }) =>
    channels.flatMap((channel, i) => {
      const missing = (['mean', 'std', 'low', 'high'] as const).filter((name) => channel[name] === undefined);
      return channel.scheme === 'ct' && missing.length > 0
        ? [`channels.${i} has scheme ct, but no ${missing[0]}`]
        : [];
    }),
  example: { channels: [{ scheme: 'ct', mean: 99, std: 39, low: -42, high: 199 }] },
  forecast: ({ key }) => foreseeFloats(key, [], 'image'),
  create: ({ channels, mask: maskKey, key }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const volume = volumeOf(subject, key);
      if (volume.channels !== channels.length) {
        const names = channels.map(({ name }, i) => name ?? `channel ${i}`).join(', ');
        throw new DataError(
          `The ${key} of case ${subject.id} has ${volume.channels} channel(s), but the model takes ${channels.length}: ${names}. ` +
            'nnU-Net reads one file for each channel: CASE_0000, CASE_0001 and so on.',
        );
      }
      const mask = channels.some((channel) => channel.mask) ? volumeOf(subject, maskKey) : undefined;
      // `check` made sure that a channel with "ct" has its numbers.
      const made = await context.runtime.run(
        normalizeByPlansTask,
        volume,
        channels as readonly Normalization[],
        mask?.data,
      );
      return withVolumes(subject, { [key]: made });
    }),
});
