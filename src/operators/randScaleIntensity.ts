import { z } from 'zod';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { scaleAndShift } from '../volume/noise.js';
import { operator } from './define.js';
import { drawFrom, drawRangeType, probType, seedType } from './draws.js';
import { foreseeFloats } from './forecast.js';
import { mapRandomly } from './map.js';

export const scaleAndShiftTask = task(new URL('../volume/noise.js', import.meta.url), scaleAndShift);

/**
 * Multiplies the intensities of the selected volumes by 1 plus a number from `factors`, with probability
 * `prob`. The result is float32.
 *
 * Mirrors MONAI's `RandScaleIntensityd`; see `drawsFor` for the random draws.
 *
 * @throws OptionError when built, without `factors`.
 */
export const randScaleIntensity = operator({
  name: 'randScaleIntensity',
  summary: 'Randomly scales intensities by 1 plus a factor.',
  mirrors: "RandScaleIntensityd; draws come from voxstream's random generator",
  options: {
    factors: drawRangeType.describe('Range that the factor is drawn from (f means -f..f); 1 is added to it'),
    prob: probType,
    channelWise: z.boolean().default(false).describe('Draw a separate number for each channel'),
    seed: seedType,
    keys: keysType('image'),
  },
  example: { factors: 0.1, prob: 0.5 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ factors, prob, channelWise, seed, keys }, context) =>
    mapRandomly(context, { prob, seed, keys, defaults: ['image'] }, (random) => {
      const known: number[] = [drawFrom(random, factors)];
      return (volume) => {
        while (channelWise && known.length < volume.channels) known.push(drawFrom(random, factors));
        const drawn = Array.from({ length: volume.channels }, (_, i) => known[channelWise ? i : 0]);
        return context.runtime.run(
          scaleAndShiftTask,
          volume,
          drawn.map((value) => 1 + value),
          drawn.map(() => 0),
        );
      };
    }),
});
