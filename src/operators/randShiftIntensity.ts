import { z } from 'zod';
import { keysType } from '../optionTypes.js';
import { operator } from './define.js';
import { drawFrom, drawRangeType, probType, seedType } from './draws.js';
import { foreseeFloats } from './forecast.js';
import { mapByChance } from './map.js';
import { scaleAndShiftTask } from './randScaleIntensity.js';

/**
 * Adds a number from `offsets` to the intensities of the chosen volumes, with the probability `prob`; as float32.
 *
 * Mirrors MONAI's `RandShiftIntensityd`, without `safe`; see `drawsFor` for the draws.
 *
 * @throws OptionError when built, without `offsets`.
 */
export const randShiftIntensity = operator({
  name: 'randShiftIntensity',
  summary: 'Adds an offset to intensities, by chance.',
  mirrors: "RandShiftIntensityd; the draws are those of voxstream's own generator",
  options: {
    offsets: drawRangeType.describe('The range that the offset is drawn from; f stands for -f..f'),
    prob: probType,
    channelWise: z.boolean().default(false).describe('Draw for each channel on its own'),
    seed: seedType,
    keys: keysType('image'),
  },
  example: { offsets: 0.1, prob: 0.5 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ offsets, prob, channelWise, seed, keys }, context) =>
    mapByChance(context, { prob, seed, keys, defaults: ['image'] }, (random) => {
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
