import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Case } from '../case.js';
import { intensity, share } from '../optionTypes.js';
import { Random } from '../volume/random.js';
import type { StepContext } from './define.js';

/** The schema of a `seed` option. */
export const seedType = z
  .int()
  .min(0)
  .optional()
  .describe("Seed for the random draws. Default: the pipeline's (runtime.seed)");

/** The schema of a `prob` option. */
export const probType = share.default(0.1).describe('Probability that a case is changed, 0 to 1');

/**
 * The random numbers of one step for one case. They depend only on the seed, the epoch, the case's id (which
 * includes a patch's number) and the step's id. So neither the order of the cases nor the concurrency changes
 * them, and adding or removing a step does not change the draws of other steps.
 *
 * The generator is `Random`. MONAI uses NumPy's Mersenne Twister, so it draws other numbers from the same
 * distributions.
 */
export function drawsFor(subject: Case, context: StepContext, seed?: number): Random {
  const name = JSON.stringify([context.id, subject.epoch ?? 0, subject.id]);
  const stream = createHash('sha256').update(name).digest().readUIntBE(0, 6);
  return new Random(seed ?? context.seed ?? 0, stream);
}

/** A range to draw from. A number f means -f..f. */
export type DrawRange = number | readonly [number, number];

/** The schema of a `DrawRange` of numbers of a type. */
export const drawRangeOf = (item: z.ZodNumber) => z.union([item, z.tuple([item, item])]);

/** The schema of a `DrawRange` of intensities. */
export const drawRangeType = drawRangeOf(intensity);

/** A number from the range, uniformly distributed. */
export function drawFrom(random: Random, range: DrawRange): number {
  const [low, high] = typeof range === 'number' ? [-range, range] : range;
  return random.uniform(low, high);
}
