import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import type { Case } from '../case.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { type DrawRange, drawFrom, drawRangeType, probType, seedType } from './draws.js';
import { foreseeFloats } from './forecast.js';
import { type Keys, keysType, mapByChance } from './map.js';
import { scaleAndShiftTask } from './randScaleIntensity.js';

export interface RandShiftIntensityOptions {
  /** The range that the offset is drawn from; f stands for -f..f. */
  readonly offsets: DrawRange;
  /** How likely a case is changed, 0 to 1. Default: 0.1. */
  readonly prob?: number;
  /** Draw for each channel on its own. Default: false. */
  readonly channelWise?: boolean;
  /** Seed of the draws. Default: the pipeline's, 0 without one. */
  readonly seed?: number;
  /** Volumes to work on. Default: `image`. */
  readonly keys?: Keys;
}

const definition = defineOperator<RandShiftIntensityOptions>({
  name: 'randShiftIntensity',
  summary: 'Adds an offset to intensities, by chance.',
  mirrors: "RandShiftIntensityd; the draws are those of voxstream's own generator",
  lane: 'cpu',
  options: {
    offsets: drawRangeType.describe('The range that the offset is drawn from; f stands for -f..f'),
    prob: probType,
    channelWise: z.boolean().default(false).describe('Draw for each channel on its own'),
    seed: seedType,
    keys: keysType('image'),
  },
  example: { offsets: 0.1, prob: 0.5 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ offsets, prob = 0.1, channelWise, seed, keys }, context) =>
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

/**
 * Adds a number from `offsets` to the intensities of the chosen volumes, with the probability `prob`; as float32.
 *
 * Mirrors MONAI's `RandShiftIntensityd`, without `safe`; see `drawsFor` for the draws.
 *
 * @throws OptionError when built, without `offsets`.
 */
export function randShiftIntensity(
  options: RandShiftIntensityOptions,
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as randShiftIntensityDefinition };
