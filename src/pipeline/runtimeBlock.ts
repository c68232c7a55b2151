import { z } from 'zod';
import type { ValuesOf } from '../options.js';
import { bytesType } from '../optionTypes.js';
import { defaultStepTimeout } from '../runtime/stuck.js';

const auto = z.literal('auto');

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
      .union([auto, z.int().min(1)])
      .default('auto')
      .describe('Cases processed at the same time'),
    memory: z.union([auto, bytesType]).default('auto').describe('Memory for all open cases, e.g. 4GiB'),
    workers: z
      .union([auto, z.int().min(1)])
      .default('auto')
      .describe('Worker threads for voxels and files'),
    stepTimeout: z
      .number()
      .positive()
      .default(defaultStepTimeout)
      .describe('Seconds without progress after which a thread is stopped and its case fails'),
    seed: z.int().min(0).default(0).describe('Seed for everything random'),
  },
};

/** The validated `runtime` block. */
export type RuntimeOptions = ValuesOf<typeof runtimeBlock>;
