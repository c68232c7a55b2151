import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import type { Case } from '../case.js';
import { task } from '../runtime/task.js';
import { scaleAndShift } from '../volume/noise.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { type DrawRange, drawFrom, drawRangeType, probType, seedType } from './draws.js';
import { foreseeFloats } from './forecast.js';
import { type Keys, keysType, mapByChance } from './map.js';

export const scaleAndShiftTask = task(new URL('../volume/noise.js', import.meta.url), scaleAndShift);

export interface RandScaleIntensityOptions {
  /** A factor is drawn from this range (f stands for -f..f), and 1 is added to it. */
  readonly factors: DrawRange;
  /** How likely a case is changed, 0 to 1. Default: 0.1. */
  readonly prob?: number;
  /** Draw for each channel on its own. Default: false. */
  readonly channelWise?: boolean;
  /** Seed of the draws. Default: the pipeline's, 0 without one. */
  readonly seed?: number;
  /** Volumes to work on. Default: `image`. */
  readonly keys?: Keys;
}

const definition = defineOperator<RandScaleIntensityOptions>({
  name: 'randScaleIntensity',
  summary: 'Multiplies intensities by 1 plus a factor, by chance.',
  mirrors: "RandScaleIntensityd; the draws are those of voxstream's own generator",
  lane: 'cpu',
  options: {
    factors: drawRangeType.describe(
      'A factor is drawn from this range (f stands for -f..f), and 1 is added to it',
    ),
    prob: probType,
    channelWise: z.boolean().default(false).describe('Draw for each channel on its own'),
    seed: seedType,
    keys: keysType('image'),
  },
  example: { factors: 0.1, prob: 0.5 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ factors, prob = 0.1, channelWise, seed, keys }, context) =>
    mapByChance(context, { prob, seed, keys, defaults: ['image'] }, (random) => {
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

/**
 * Multiplies the intensities of the chosen volumes by 1 plus a number from `factors`, with the probability `prob`; as
 * float32.
 *
 * Mirrors MONAI's `RandScaleIntensityd`; see `drawsFor` for the draws.
 *
 * @throws OptionError when built, without `factors`.
 */
export function randScaleIntensity(
  options: RandScaleIntensityOptions,
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as randScaleIntensityDefinition };
