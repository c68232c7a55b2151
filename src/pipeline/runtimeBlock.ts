import { z } from 'zod';
import type { ValuesOf } from '../options.js';
import { bytesFrom, orMeant } from '../optionTypes.js';
import { defaultStepTimeout, longestStepTimeout } from '../runtime/stuck.js';

const auto = z.literal('auto');

/** The most cases or threads at once. */
export const mostAtOnce = 1024;

/** Bytes of memory for open cases: at least what a case takes for its buffers. */
export const leastMemory = 2 ** 25;

const fromMilliseconds = orMeant((given) => `${given / 1000}, in s`);

/** The `runtime` block of a pipeline file: how a run uses the machine. */
export const runtimeBlock = {
  name: 'runtime',
  options: {
    device: z
      .string()
      .min(1)
      .default('auto')
      .describe('auto, cpu, cuda, tensorrt, webgpu, coreml or dml, with device numbers: cuda:0,1'),
    inFlight: z
      .union([auto, z.int().min(1).max(mostAtOnce)])
      .default('auto')
      .describe('Cases processed at the same time'),
    memory: z
      .union([auto, bytesFrom(leastMemory)])
      .default('auto')
      .describe('Memory for all open cases, e.g. 4GiB'),
    workers: z
      .union([auto, z.int().min(1).max(mostAtOnce)])
      .default('auto')
      .describe('Worker threads for voxels and files'),
    stepTimeout: z
      .number()
      .positive()
      .max(longestStepTimeout, fromMilliseconds)
      .default(defaultStepTimeout)
      .describe('Seconds without progress after which a thread is stopped and its case fails'),
    seed: z.int().min(0).default(0).describe('Seed for everything random'),
  },
};

/** The validated `runtime` block. */
export type RuntimeOptions = ValuesOf<typeof runtimeBlock>;
