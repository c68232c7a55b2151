import { z } from 'zod';
import type { Definition, OptionTypes, OptionValues } from '../../options.js';
import { mostCounted } from '../../optionTypes.js';
import { type Factory, type FactorySpec, factory } from './factory.js';

/** The training that a schedule is for. */
export interface ScheduledTraining {
  /** The learning rate of the optimizer. */
  readonly rate: number;
  readonly epochs: number;
  /** Steps of the whole training. */
  readonly steps: number;
}

/**
 * A learning-rate schedule: the rate at an epoch and a step, both from 0. It has no state: the same place
 * gives the same rate.
 */
export type Schedule = (training: ScheduledTraining) => (epoch: number, step: number) => number;

/** A schedule as a registry holds it, whatever its options are. */
export type AnySchedule = Definition<Schedule>;

/** The options of all schedules. */
export const timing = {
  per: z.enum(['epoch', 'step']).default('epoch').describe('What the schedule counts'),
  warmUp: z
    .int()
    .min(0)
    .max(mostCounted)
    .default(0)
    .describe(
      'Length of the warm-up in epochs (or steps): the rate grows linearly, then the schedule starts',
    ),
  warmUpFrom: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('The rate at the start of the warm-up, as a share of the rate at its end'),
};

/**
 * A schedule from a curve after a warm-up. `curve` gives the rate at an epoch (or step) from 0, for a
 * training of `length` epochs (or steps) without the warm-up. With a cosine, the schedule is MONAI's
 * `WarmupCosineSchedule`.
 */
export function timed(
  { per, warmUp, warmUpFrom }: OptionValues<typeof timing>,
  curve: (rate: number, length: number) => (at: number) => number,
): Schedule {
  return ({ rate, epochs, steps }) => {
    const all = per === 'epoch' ? epochs : steps;
    const rateAt = curve(rate, Math.max(1, all - warmUp));
    const whole = (at: number) =>
      at < warmUp ? rateAt(0) * (warmUpFrom + (1 - warmUpFrom) * (at / warmUp)) : rateAt(at - warmUp);
    return (epoch, step) => whole(per === 'epoch' ? epoch : step);
  };
}

/** Defines a learning-rate schedule. Its options should include `timing`; see `timed`. */
export function schedule<const T extends OptionTypes>(spec: FactorySpec<T, Schedule>): Factory<T, Schedule> {
  return factory(spec);
}
