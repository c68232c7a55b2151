import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Case } from '../case.js';
import { Random } from '../volume/random.js';
import type { StepContext } from './define.js';

/** The schema of a `seed` option. */
export const seedType = z
  .int()
  .min(0)
  .optional()
  .describe("Seed of what is random. Default: the pipeline's (runtime.seed)");

/** The schema of a `prob` option. */
export const probType = z
  .number()
  .min(0)
  .max(1)
  .default(0.1)
  .describe('How likely a case is changed, 0 to 1');

/**
 * The random numbers of one step for one case: a function of the seed, the epoch, the case's id (a patch's number is part
 * of it) and the step's id, and of nothing else. So they do not depend on the order in which cases come, nor on how many
 * are worked on at once, and a step that is added or left out changes no other step's draws.
 *
 * The generator is `Random`; MONAI's (NumPy's Mersenne twister) gives other numbers of the same distributions.
 */
export function drawsFor(subject: Case, context: StepContext, seed?: number): Random {
  const name = JSON.stringify([context.id, subject.epoch ?? 0, subject.id]);
  const stream = createHash('sha256').update(name).digest().readUIntBE(0, 6);
  return new Random(seed ?? context.seed ?? 0, stream);
}

/** A range to draw from: a number f stands for -f..f. */
export type DrawRange = number | readonly [number, number];

/** The schema of a `DrawRange`. */
export const drawRangeType = z.union([z.number(), z.tuple([z.number(), z.number()])]);

/** A number of the range, all equally likely. */
export function drawFrom(random: Random, range: DrawRange): number {
  const [low, high] = typeof range === 'number' ? [-range, range] : range;
  return random.uniform(low, high);
}
