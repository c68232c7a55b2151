import type { Component } from '../config/component.js';
import { Args } from './args.js';
import {
  type CaseFiles,
  checkpointOf,
  composed,
  type DatasetTarget,
  datasetOf,
  type EvaluationPlan,
  translateEvaluator,
} from './evaluator.js';
import {
  type BoardTarget,
  type SaverTarget,
  translateTrainerHandlers,
  translateWriters,
} from './handlers.js';
import { type ChosenPart, translateLoss, translateOptimizer } from './learning.js';
import { type MetricTarget, translateMetrics } from './metrics.js';
import { type NetworkTarget, translateNetwork } from './network.js';
import type { Problems } from './problems.js';
import { randomTransforms } from './randomTransforms.js';
import type { BundleStep } from './steps.js';
import { baseName, translateTransforms } from './transforms.js';
import type { TransformState } from './translator.js';

/** A validation during a training. */
export interface ValidationPlan {
  readonly evaluation: EvaluationPlan;
  /** Epochs between two validations. */
  readonly every: number;
  readonly atStart: boolean;
  /** Whether cases are kept between validations as they are before the network. */
  readonly cached: boolean;
}

/** What is measured on the patches of a training: steps from the network's output, and metrics. */
export interface PatchMetrics {
  readonly after: readonly BundleStep[];
  readonly metrics: readonly MetricTarget[];
}

/** A trainer of MONAI as voxstream runs it. */
export interface TrainingPlan {
  readonly id: string;
  readonly cases: readonly CaseFiles[];
  /** The steps from files to patches. */
  readonly steps: readonly BundleStep[];
  /** How many of the steps run once per case, whose results are kept. */
  readonly cachedSteps: number;
  /** Cases per step of one device. */
  readonly batchSize: number;
  /** The network is trained on several devices, each of which takes a batch. */
  readonly distributed: boolean;
  readonly epochs: number;
  readonly network: NetworkTarget;
  /** A checkpoint to start from. */
  readonly checkpoint: string | undefined;
  readonly loss: ChosenPart;
  readonly optimizer: ChosenPart;
  readonly schedule: ChosenPart;
  readonly amp: boolean;
  readonly validation: ValidationPlan | undefined;
  /** Undefined if nothing is measured on patches, or no file takes it. */
  readonly patchMetrics: PatchMetrics | undefined;
  readonly savers: readonly SaverTarget[];
  /** In the order in which MONAI makes them: the validator's come first. */
  readonly boards: readonly (BoardTarget & { readonly of: 'training' | 'validation' })[];
  /** What is done in another way than in MONAI: sentences for the user. */
  readonly notes: readonly string[];
}

/**
 * Translates a trainer.
 *
 * @param loader A CheckpointLoader that was called outside of the trainer's handlers.
 * @returns undefined if there are problems.
 */
export function translateTrainer(
  component: Component,
  loader: Component | undefined,
  problems: Problems,
): TrainingPlan | undefined {
  const args = new Args(component, problems);
  args.ignore('device', 'non_blocking', 'decollate', 'metric_cmp_fn', 'optim_set_to_none', 'mode');
  args.ignore('to_kwargs', 'amp_kwargs', 'compile', 'compile_kwargs', 'event_names', 'event_to_attr');
  args.supports('prepare_batch');
  args.supports('iteration_update');
  args.supports('epoch_length');
  const epochs = args.number('max_epochs', undefined) ?? 0;
  if (epochs < 1) args.problem('needs max_epochs');
  const given = args.value('network');
  const network = translateNetwork(given, args.id, problems);
  checkInferer(args);
  const data = datasetOf(args, 'train_data_loader');
  const state = data && stateOf(data);
  const feeding = data && state && translateFeeding(data, state, problems);
  const loss = translateLoss(args.made('loss_function'), args);
  const optimizer = translateOptimizer(args.made('optimizer'), args);
  const measured = translatePatchMetrics(args, state);
  const handlers = translateTrainerHandlers(args.all('train_handlers'), { network: given, epochs, problems });
  const validator = handlers.validation?.validator;
  const writers =
    validator && translateWriters(new Args(validator, problems).all('val_handlers'), given, problems);
  const validation = validator && translateValidation(validator, problems);
  const loaders = [...(loader ? [loader] : []), ...handlers.loaders];
  const amp = args.flag('amp', false);
  args.checkAllAsked();
  for (const { when } of handlers.savers) {
    if (when === 'best')
      problems.add(
        args.id,
        '(CheckpointSaver) saves the best model by a metric of the training; here only the validator can have one',
      );
  }
  if (!feeding || !network || !loss || !optimizer || (validator && !validation)) return undefined;
  const written = handlers.boards.some(({ metrics }) => metrics);
  if (measured && !written) {
    const names = measured.metrics.map(({ name }) => name).join(', ');
    problems.note(args.id, `measures ${names} on training patches in MONAI; here no file takes it`);
  }
  return {
    id: component.id,
    ...feeding,
    distributed: isDistributed(given),
    epochs,
    network,
    checkpoint: checkpointOf(loaders, problems),
    loss,
    optimizer,
    schedule: handlers.schedule ?? { name: 'constant', options: {} },
    amp,
    validation:
      handlers.validation && validation
        ? { ...validation, every: handlers.validation.every, atStart: handlers.validation.atStart }
        : undefined,
    patchMetrics: written ? measured : undefined,
    savers: [...(writers?.savers ?? []), ...handlers.savers],
    boards: [
      ...(writers?.boards ?? []).map((board) => ({ ...board, of: 'validation' }) as const),
      ...handlers.boards.map((board) => ({ ...board, of: 'training' }) as const),
    ],
    notes: problems.notes,
  };
}

type Feeding = Pick<TrainingPlan, 'cases' | 'steps' | 'cachedSteps' | 'batchSize'>;

/** Datasets that keep what the transforms before the first random one make. */
const caching = [
  'CacheDataset',
  'PersistentDataset',
  'LMDBDataset',
  'SmartCacheDataset',
  'CacheNTransDataset',
];

/** What is known of a training's cases before its transforms. */
function stateOf({ cases, keys }: DatasetTarget): TransformState {
  const anyKey = cases.length === 0;
  return {
    anyKey,
    sources: new Map(keys.map((key) => [key, key])),
    labels: new Set(anyKey || keys.includes('label') ? ['label'] : []),
    modes: new Map(),
  };
}

/** How cases become batches. */
function translateFeeding(data: DatasetTarget, state: TransformState, problems: Problems): Feeding {
  const { loader, dataset, cases, transforms } = data;
  const args = new Args(loader, problems);
  const isRandom = ({ name }: Component) => Object.hasOwn(randomTransforms, baseName(name) ?? '');
  const first = transforms.findIndex(isRandom);
  const [fixed, random] =
    first < 0 ? [transforms, []] : [transforms.slice(0, first), transforms.slice(first)];
  const before = translateTransforms(fixed, state, problems).map((step) => withLabels(step, state.labels));
  const after = translateTransforms(random, state, problems);
  const steps = [...before, ...after].map((step) => placeable(step, problems));
  const batchSize = args.number('batch_size', 1);
  if (!args.flag('shuffle', false) && args.value('sampler') === undefined) {
    problems.note(loader.id, 'does not shuffle in MONAI; here every epoch has its own order');
  }
  if (!args.flag('drop_last', false) && cases.length > batchSize && cases.length % batchSize !== 0) {
    problems.note(
      loader.id,
      `leaves ${cases.length % batchSize} case(s) of each epoch for a smaller batch in MONAI; here they are skipped`,
    );
  }
  return { cases, steps, cachedSteps: caching.includes(dataset.name) ? before.length : 0, batchSize };
}

/** Labels are read as such, so that they take little memory and their values are checked. */
function withLabels(step: BundleStep, labels: ReadonlySet<string>): BundleStep {
  if (step.kind !== 'operator' || step.name !== 'load') return step;
  return { ...step, options: { ...step.options, labelKeys: [...labels] } };
}

/** A step of a pipeline: an operator. */
function placeable(step: BundleStep, problems: Problems): BundleStep {
  if (step.kind !== 'operator') {
    problems.add(step.id, 'has no counterpart among the transforms of a training');
  }
  return step;
}

function translateValidation(
  validator: Component,
  problems: Problems,
): Pick<ValidationPlan, 'evaluation' | 'cached'> | undefined {
  const evaluation = translateEvaluator(validator, undefined, problems);
  if (!evaluation) return undefined;
  if (evaluation.keyMetric === undefined) {
    problems.add(validator.id, 'needs key_val_metric, which chooses the best model');
  }
  const data = datasetOf(new Args(validator, problems), 'val_data_loader');
  const cached = data !== undefined && caching.includes(data.dataset.name);
  return { evaluation, cached: cached && evaluation.before.every(({ kind }) => kind === 'operator') };
}

/** Patches go through the network whole. */
function checkInferer(args: Args): void {
  const inferer = args.made('inferer');
  if (inferer && inferer.name !== 'SimpleInferer') {
    args.problems.add(
      inferer.id,
      `is ${inferer.target}; a training runs the network on whole patches, as SimpleInferer does`,
    );
  }
}

/** The metrics of a training, with the transforms that come between the network and them. */
function translatePatchMetrics(args: Args, state: TransformState | undefined): PatchMetrics | undefined {
  const { problems } = args;
  const metrics = ['key_train_metric', 'additional_metrics'].flatMap((argument) =>
    translateMetrics(args.value(argument), `${args.id}::${argument}`, problems),
  );
  const transforms = composed(args.made('postprocessing'), problems);
  if (metrics.length === 0 || !state) return undefined;
  state.sources.set('pred', 'image');
  const after = translateTransforms(transforms, state, problems).map((step) => placeable(step, problems));
  return { after, metrics };
}

function isDistributed(network: unknown): boolean {
  return /^(Distributed)?DataParallel$/.test((network as Component | undefined)?.name ?? '');
}
