import { z } from 'zod';
import { mostCounted } from '../../optionTypes.js';
import { type AnySchedule, schedule, timed, timing } from './schedule.js';

const total = z
  .int()
  .min(1)
  .max(mostCounted)
  .optional()
  .describe('Length in epochs (or steps). Default: the whole training after the warm-up');

/** The same rate throughout. */
export const constantSchedule = schedule({
  name: 'constant',
  summary: 'The same learning rate throughout.',
  options: timing,
  example: { warmUp: 5 },
  create: (options) => timed(options, (rate) => () => rate),
});

/** `rate` times `gamma` for every `size` epochs that have passed; PyTorch's `StepLR`. */
export const stepSchedule = schedule({
  name: 'step',
  summary: "Multiplies the learning rate by gamma at regular intervals: PyTorch's StepLR.",
  options: {
    size: z.int().min(1).max(mostCounted).describe('Length of the interval in epochs (or steps)'),
    gamma: z.number().positive().max(1000).default(0.1).describe('Factor at the end of each interval'),
    ...timing,
  },
  example: { size: 100, gamma: 0.5 },
  create: ({ size, gamma, ...options }) =>
    timed(options, (rate) => (at) => rate * gamma ** Math.floor(at / size)),
});

/**
 * From `rate` down to 0 at `total` as a power; PyTorch's `PolynomialLR`, with nnU-Net's power as the default.
 */
export const polySchedule = schedule({
  name: 'poly',
  summary: "Lowers the learning rate to 0 as a power of the remaining training: PyTorch's PolynomialLR.",
  options: {
    total,
    power: z.number().positive().max(100).default(0.9).describe("1 is a straight line; 0.9 is nnU-Net's"),
    ...timing,
  },
  example: { power: 0.9 },
  create: ({ total, power, ...options }) =>
    timed(options, (rate, length) => {
      const end = total ?? length;
      return (at) => rate * (1 - Math.min(at, end) / end) ** power;
    }),
});

/**
 * From `rate` down to `low` at `total` as half a cosine, and `low` after it; PyTorch's `CosineAnnealingLR`.
 */
export const cosineSchedule = schedule({
  name: 'cosine',
  summary: "Lowers the learning rate to low along half a cosine: PyTorch's CosineAnnealingLR.",
  options: {
    total,
    low: z.number().min(0).max(1000).default(0).describe('The learning rate at the end'),
    ...timing,
  },
  example: { warmUp: 5, warmUpFrom: 0.1 },
  create: ({ total, low, ...options }) =>
    timed(options, (rate, length) => {
      const end = total ?? length;
      return (at) => low + ((rate - low) * (1 + Math.cos((Math.PI * Math.min(at, end)) / end))) / 2;
    }),
});

/** The learning-rate schedules that come with voxstream. */
export const schedules: readonly AnySchedule[] = [
  constantSchedule,
  stepSchedule,
  polySchedule,
  cosineSchedule,
];
