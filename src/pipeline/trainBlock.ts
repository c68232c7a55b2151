import { z } from 'zod';
import type { Network } from '../onnx/builders/network.js';
import type { Loss } from '../onnx/training/loss.js';
import type { Optimizer } from '../onnx/training/optimizer.js';
import type { Schedule } from '../onnx/training/schedule.js';
import type { PlacedStep } from '../operators/fusion.js';
import type { ValuesOf } from '../options.js';
import { mostCounted, weight } from '../optionTypes.js';
import type { OpenableSource } from '../sources/define.js';
import type { Options, Placed } from './placed.js';

/** A network and its parameters as written in the pipeline file. Building the network checks them again. */
export interface ChosenNetwork {
  readonly definition: Network;
  readonly options: Options;
}

const positive = z.number().positive().max(1e6);

const counted = z.int().min(1).max(mostCounted);
const inBatch = z.int().min(1).max(4096);

/**
 * The `train` block of a pipeline file. `network`, `loss`, `optimizer`, `schedule` and `validation` contain
 * definitions; `resolveTrain` checks them.
 */
export const trainBlock = {
  name: 'train',
  options: {
    network: z.unknown().optional().describe("The network: MONAI's class name and parameters"),
    model: z
      .string()
      .min(1)
      .optional()
      .describe(
        'The model to start from instead of a new network: a model folder, an .onnx file, or the ' +
          "network's .pt file. --finetune sets it",
      ),
    loss: z.unknown().optional().describe('The loss to minimize'),
    optimizer: z.unknown().optional().describe('The optimizer'),
    schedule: z.unknown().optional().describe('The learning rate schedule. Default: constant'),
    epochs: z.int().min(1).max(1_000_000).describe('Passes over all training cases'),
    batchSize: inBatch
      .default(1)
      .describe('Cases per step; each counts with all patches that the steps create from it'),
    accumulate: inBatch
      .default(1)
      .describe(
        'Number of parts into which a batch is divided; they run one after the other and their ' +
          'gradients are added up, which needs less memory and more time',
      ),
    clip: z
      .strictObject({ norm: positive.optional(), value: positive.optional() })
      .prefault({})
      .describe('Limits for the gradients: the norm of all of them, or the value of each'),
    amp: z
      .boolean()
      .default(false)
      .describe(
        'Mixed precision: convolutions in float16, with loss scaling as in PyTorch. CPUs always ' +
          'compute in float32',
      ),
    validation: z.unknown().optional().describe('How the model is evaluated and the best one chosen'),
    earlyStopping: z
      .strictObject({ patience: counted, minDelta: weight.default(0) })
      .optional()
      .describe(
        'Stop after `patience` consecutive validations that did not improve the metric by more than ' +
          '`minDelta`',
      ),
    saveEvery: counted
      .default(500)
      .describe('Steps between two saves of the state; it is also saved after each epoch'),
    prefetch: z.int().min(1).max(1024).default(4).describe('Cases to prepare ahead of the device'),
    card: z
      .record(z.string(), z.unknown())
      .default({})
      .describe("Fields of the trained model's card: description, license, intendedUse and others"),
  },
};

/**
 * The `validation` of a train block, which is a pipeline. `source` and `steps` contain definitions;
 * `resolveTrain` checks them.
 */
export const validationBlock = {
  name: 'validation',
  options: {
    every: counted.default(1).describe('Epochs between two validations; the last epoch always ends with one'),
    atStart: z.boolean().default(true).describe('Also validate before the first step'),
    source: z
      .unknown()
      .optional()
      .describe(
        'The cases. Options that it does not state are those of the source of the pipeline, if that is of the same kind. ' +
          'Default: the validation split of the source of the pipeline, if it has one',
      ),
    steps: z
      .unknown()
      .optional()
      .describe('Steps from files to metrics; an inference without a model uses the model in training'),
    metric: z
      .string()
      .min(1)
      .default('dice')
      .describe(
        'The metric that selects the best model: a column, or the prefix of several columns, which are ' +
          'averaged',
      ),
    goal: z.enum(['max', 'min']).default('max').describe('Whether a higher or a lower metric is better'),
  },
};

/** A validated `validation` block. */
export interface ValidationBlock extends Omit<ValuesOf<typeof validationBlock>, 'source' | 'steps'> {
  readonly source: Placed<OpenableSource>;
  readonly steps: readonly PlacedStep[];
}

/** A validated `train` block. */
export interface TrainBlock
  extends Omit<ValuesOf<typeof trainBlock>, 'network' | 'loss' | 'optimizer' | 'schedule' | 'validation'> {
  /** The network to start from, or the network of the checkpoint `model`. Required without `model`. */
  readonly network?: ChosenNetwork;
  readonly loss: Placed<Loss>;
  readonly optimizer: Placed<Optimizer>;
  readonly schedule: Placed<Schedule>;
  readonly validation?: ValidationBlock;
}

/** Represents the model in training in the options of a validation's `inference`. */
export const modelInTraining = '(the model in training)';
