import { z } from 'zod';
import { keysType } from '../optionTypes.js';
import { operator } from './define.js';
import { drawFrom, drawRangeType, probType, seedType } from './draws.js';
import { foreseeFloats } from './forecast.js';
import { mapRandomly } from './map.js';
import { scaleAndShiftTask } from './randScaleIntensity.js';

/**
 * Adds a number from `offsets` to the intensities of the selected volumes, with probability `prob`. The
 * result is float32.
 *
 * Mirrors MONAI's `RandShiftIntensityd`, without `safe`; see `drawsFor` for the random draws.
 *
 * @throws OptionError when built, without `offsets`.
 */
export const randShiftIntensity = operator({
  name: 'randShiftIntensity',
  summary: 'Randomly adds an offset to intensities.',
  mirrors: "RandShiftIntensityd, without safe; draws come from voxstream's random generator",
  options: {
    offsets: drawRangeType.describe('Range that the offset is drawn from; f means -f..f'),
    prob: probType,
    channelWise: z.boolean().default(false).describe('Draw a separate number for each channel'),
    seed: seedType,
    keys: keysType('image'),
  },
  example: { offsets: 0.1, prob: 0.5 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ offsets, prob, channelWise, seed, keys }, context) =>
    mapRandomly(context, { prob, seed, keys, defaults: ['image'] }, (random) => {
      const known: number[] = [drawFrom(random, offsets)];
      return (volume) => {
        while (channelWise && known.length < volume.channels) known.push(drawFrom(random, offsets));
        const drawn = Array.from({ length: volume.channels }, (_, i) => known[channelWise ? i : 0]);
        return context.runtime.run(
          scaleAndShiftTask,
          volume,
          drawn.map(() => 1),
          drawn,
        );
      };
    }),
});
