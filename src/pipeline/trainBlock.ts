import { z } from 'zod';
import { networks } from '../onnx/builders/networks/index.js';
import type { PlacedStep } from '../operators/fusion.js';
import type { Configurable } from '../options.js';
import type { Options, Pipeline } from './types.js';

/** One of several kinds, and its options, as `{ KIND: OPTIONS }` in a pipeline file. */
export interface Choice {
  readonly name: string;
  readonly options: Options;
}

/** Validation in training: a pipeline of its own, whose `inference` without a `model` takes the model in training. */
export interface ValidationBlock {
  /** Epochs between two validations; the last epoch always ends with one. */
  readonly every: number;
  /** Validate before the first step as well. */
  readonly atStart: boolean;
  readonly source: Pipeline['source'];
  readonly steps: readonly PlacedStep[];
  /** The metric that says which model is best: a column, or what columns begin with. */
  readonly metric: string;
  readonly goal: 'max' | 'min';
}

/** The `train` block of a pipeline file. */
export interface TrainBlock {
  /** The network to begin with, where there is no `model`; or that of the checkpoint that is the model. */
  readonly network?: Choice;
  /** The model to go on from: a model folder or ONNX file, or a PyTorch checkpoint. */
  readonly model?: string;
  readonly loss: Choice;
  readonly optimizer: Choice;
  readonly schedule: Choice;
  readonly epochs: number;
  /** Cases of a batch. */
  readonly batchSize: number;
  readonly accumulate: number;
  readonly clip: { readonly norm?: number; readonly value?: number };
  /** Mixed precision, on devices that have it. */
  readonly amp: boolean;
  readonly validation?: ValidationBlock;
  readonly earlyStopping?: { readonly patience: number; readonly minDelta: number };
  readonly saveEvery: number;
  readonly prefetch: number;
  readonly card: Options;
}

const positive = z.number().positive();
const share = z.number().min(0).lt(1);
const rate = positive.describe('The learning rate, before the schedule');
const weightDecay = z.number().min(0);

const dice = {
  includeBackground: z.boolean().default(true).describe('Count class 0 in the Dice part, too'),
  toOnehotY: z
    .boolean()
    .optional()
    .describe('The label holds class numbers. Default: where it has one channel and the model several'),
  sigmoid: z.boolean().default(false).describe("Apply a sigmoid to the model's output"),
  softmax: z.boolean().default(false).describe("Apply a softmax to the model's output"),
  squaredPred: z.boolean().default(false).describe('Square predictions and label in the denominator'),
  jaccard: z.boolean().default(false).describe('The Jaccard index in place of Dice'),
  reduction: z.enum(['mean', 'sum']).default('mean').describe('Over classes and images'),
  smoothNr: z.number().min(0).default(1e-5).describe('Added to the numerator'),
  smoothDr: z.number().min(0).default(1e-5).describe('Added to the denominator'),
  batch: z.boolean().default(false).describe('Sum over the batch before dividing'),
};

/** The losses that a training can name, with MONAI's options. */
export const lossDefinitions: readonly Configurable[] = [
  {
    name: 'diceCE',
    options: {
      ...dice,
      lambdaDice: z.number().min(0).default(1).describe('Weight of the Dice part'),
      lambdaCe: z.number().min(0).default(1).describe('Weight of the cross entropy'),
      weight: z.array(z.number().min(0)).optional().describe('A weight for each class. Default: 1'),
    },
  },
  {
    name: 'dice',
    options: {
      ...dice,
      weight: z
        .union([z.number().min(0), z.array(z.number().min(0))])
        .optional()
        .describe('A weight for each class that counts, or one for all. Default: 1'),
    },
  },
];

const adam = (decay: number, secondBeta = 0.999) => ({
  learningRate: rate,
  betas: z
    .tuple([share, share])
    .default([0.9, secondBeta])
    .describe('How much of the averages of gradients and of their squares stays in a step'),
  eps: positive.default(1e-8).describe('Added to the denominator'),
  weightDecay: weightDecay.default(decay).describe('How much weights shrink'),
});

/** The optimizers that a training can name, with PyTorch's options (MONAI's for `novograd`). */
export const optimizerDefinitions: readonly Configurable[] = [
  { name: 'adam', options: adam(0) },
  { name: 'adamw', options: adam(0.01) },
  {
    name: 'novograd',
    options: {
      ...adam(0, 0.98),
      gradAveraging: z.boolean().default(false).describe('Multiply gradients by 1 - beta1'),
    },
  },
  {
    name: 'sgd',
    options: {
      learningRate: rate,
      momentum: share.default(0).describe('How much of the last change stays in a step'),
      nesterov: z.boolean().default(false).describe("Nesterov's momentum"),
      weightDecay: weightDecay.default(0).describe('How much weights shrink'),
    },
    check: (({ momentum, nesterov }: { momentum: number; nesterov: boolean }) =>
      nesterov && momentum === 0 ? ['nesterov needs a momentum above 0'] : []) as never,
  },
];

const schedule = {
  per: z.enum(['epoch', 'step']).default('epoch').describe('What the schedule counts'),
  warmUp: z
    .int()
    .min(0)
    .default(0)
    .describe('Epochs (or steps) over which the rate first grows to all of it'),
  warmUpFrom: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('The share of the rate that a warm-up begins with'),
};
const total = z
  .int()
  .min(1)
  .optional()
  .describe('Epochs (or steps) that it takes. Default: the whole training');

/** The learning-rate schedules that a training can name, with PyTorch's options. */
export const scheduleDefinitions: readonly Configurable[] = [
  { name: 'constant', options: schedule },
  {
    name: 'step',
    options: {
      size: z
        .int()
        .min(1)
        .describe('Epochs (or steps) after which the rate is multiplied by gamma, again and again'),
      gamma: positive.default(0.1).describe('See size'),
      ...schedule,
    },
  },
  {
    name: 'poly',
    options: { total, power: positive.default(0.9).describe('1 is a straight line'), ...schedule },
  },
  {
    name: 'cosine',
    options: { total, low: z.number().min(0).default(0).describe('Where it ends'), ...schedule },
  },
];

/** The networks that a training can name, with MONAI's parameters under MONAI's names. */
export const networkDefinitions: readonly Configurable[] = networks as readonly Configurable[];

/** The train block's own options; those that name one of several kinds are read on their own. */
export const trainDefinition = {
  name: 'train',
  options: {
    network: z.unknown().optional().describe("The network, by MONAI's class name, with MONAI's parameters"),
    model: z
      .string()
      .min(1)
      .optional()
      .describe('The model to go on from (folder, .onnx, or a .pt of the network); --finetune sets it'),
    loss: z.unknown().optional().describe('What is made small'),
    optimizer: z.unknown().optional().describe('How weights are changed'),
    schedule: z.unknown().optional().describe('The learning rate over time. Default: constant'),
    epochs: z.int().min(1).describe('How often all training cases are seen'),
    batchSize: z
      .int()
      .min(1)
      .default(1)
      .describe('Cases of a batch; each gives the patches that steps make of it'),
    accumulate: z
      .int()
      .min(1)
      .default(1)
      .describe('Parts that a batch is cut into, whose gradients are summed up: less memory, more time'),
    clip: z
      .strictObject({ norm: positive.optional(), value: positive.optional() })
      .prefault({})
      .describe('Most norm of all gradients together, and most value of each'),
    amp: z
      .boolean()
      .default(false)
      .describe(
        "Mixed precision: convolutions in float16, with PyTorch's scaling of the loss. A CPU always computes in float32",
      ),
    validation: z.unknown().optional().describe('How the model is tested, and which one is best'),
    earlyStopping: z
      .strictObject({ patience: z.int().min(1), minDelta: z.number().min(0).default(0) })
      .optional()
      .describe(
        'End after so many validations in a row that brought no better model, or one better by minDelta at most',
      ),
    saveEvery: z
      .int()
      .min(1)
      .default(500)
      .describe('Steps after which the state is saved, besides at the end of each epoch'),
    prefetch: z.int().min(1).default(4).describe('Cases that are prepared ahead of the device'),
    card: z
      .record(z.string(), z.unknown())
      .default({})
      .describe("Fields of the trained model's card: description, license, intendedUse and the like"),
  },
} satisfies Configurable & { options: Record<keyof TrainBlock, z.ZodType> };

/** The validation block's own options. */
export const validationDefinition = {
  name: 'validation',
  options: {
    every: z
      .int()
      .min(1)
      .default(1)
      .describe('Epochs between two validations; the last epoch always ends with one'),
    atStart: z.boolean().default(true).describe('Validate before the first step as well'),
    source: z.unknown().optional().describe('The cases'),
    steps: z
      .unknown()
      .optional()
      .describe('Steps from files to metrics; an inference without a model takes the one in training'),
    metric: z.string().min(1).default('dice').describe('The metric that says which model is best'),
    goal: z.enum(['max', 'min']).default('max').describe('Whether more of it is better, or less'),
  },
} satisfies Configurable & { options: Record<keyof ValidationBlock, z.ZodType> };

/** What stands for the model in training, in an `inference` of the validation. */
export const modelInTraining = '(the model in training)';
