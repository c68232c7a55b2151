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
      .describe('Cases that are open at once'),
    memory: z
      .union([auto, bytesType])
      .default('auto')
      .describe('Memory for the cases that are open, such as 4GiB'),
    workers: z
      .union([auto, z.int().min(1)])
      .default('auto')
      .describe('Worker threads for voxels and files'),
    stepTimeout: z
      .number()
      .positive()
      .default(defaultStepTimeout)
      .describe('Seconds without a sign of life after which a thread is ended and its case fails'),
    seed: z.int().min(0).default(0).describe('Seed of everything that is random'),
  },
};

/** The `runtime` block after the check. */
export type RuntimeOptions = ValuesOf<typeof runtimeBlock>;
