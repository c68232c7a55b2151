import { OptionError } from '../../errors.js';
import type { ConfiguredNetwork } from '../../onnx/builders/network.js';
import { networks } from '../../onnx/builders/networks/index.js';
import { losses } from '../../onnx/training/losses.js';
import { optimizers } from '../../onnx/training/optimizers.js';
import { schedules } from '../../onnx/training/schedules.js';
import type { PlacedStep } from '../../operators/fusion.js';
import { fusions } from '../../operators/index.js';
import { type Definition, parseOptions, sayFault } from '../../options.js';
import type { Placed } from '../../pipeline/placed.js';
import { runtimeBlock } from '../../pipeline/runtimeBlock.js';
import { type TrainBlock, trainBlock } from '../../pipeline/trainBlock.js';
import type { Pipeline } from '../../pipeline/types.js';
import { datalist } from '../../sources/datalist.js';
import type { OpenableSource } from '../../sources/define.js';
import type { CaseFiles } from '../targets/evaluator.js';
import type { Problems } from '../targets/problems.js';
import type { BundleStep } from '../targets/steps.js';
import type { TrainingPlan } from '../targets/trainer.js';
import { caseId } from './cases.js';
import { placeSteps } from './stages.js';

/** What a training needs besides its plan. */
export interface TrainingPlace {
  readonly name: string;
  /** The folder that voxstream's own files go to. */
  readonly output: string;
  readonly device: string;
  /** Devices that each take a batch of the configuration's size. */
  readonly replicas: number;
  readonly seed: number;
  /** The configuration's files. */
  readonly files: readonly string[];
}

/** The learned parts of a training. */
export type TrainingParts = Pick<TrainBlock, 'loss' | 'optimizer' | 'schedule'> & {
  readonly network: Definition<ConfiguredNetwork>;
  readonly steps: readonly PlacedStep[];
};

/** Configures the parts of a training. Undefined, with problems, if options are refused. */
export function placeTraining(plan: TrainingPlan, problems: Problems): TrainingParts | undefined {
  const network = networks.find(({ name }) => name === plan.network.type);
  const loss = place(losses, plan.loss, plan.id, problems);
  const optimizer = place(optimizers, plan.optimizer, plan.id, problems);
  const schedule = place(schedules, plan.schedule, plan.id, problems);
  const steps = withCache(plan.steps, plan.cachedSteps);
  const placed = placeSteps(steps, problems);
  placeSteps(plan.patchMetrics?.after ?? [], problems);
  if (!network || !loss || !optimizer || !schedule || placed.size < steps.length) return undefined;
  return { network, loss, optimizer, schedule, steps: [...placed.values()] };
}

/** A training as a pipeline of voxstream. The validation has no steps: it is run by `BundleValidator`. */
export function trainingPipeline(
  plan: TrainingPlan,
  { network, steps, ...parts }: TrainingParts,
  { name, output, device, replicas, seed, files }: TrainingPlace,
): Pipeline {
  // MONAI's last batch may be smaller.
  const batchSize = Math.min(plan.batchSize * replicas, plan.cases.length);
  const block = parseOptions(trainBlock, {
    epochs: plan.epochs,
    batchSize,
    amp: plan.amp,
    ...(plan.checkpoint !== undefined && { model: plan.checkpoint }),
  });
  const { validation } = plan;
  const [metric] = validation ? [validation.evaluation.keyMetric] : [];
  const train: TrainBlock = {
    ...block,
    ...parts,
    network: { definition: network, options: plan.network.config },
    validation: validation && {
      every: validation.every,
      atStart: validation.atStart,
      source: sourceOf(validation.evaluation.cases),
      steps: [],
      metric: metric ?? '',
      goal: plan.savers.some(({ when, lower }) => when === 'best' && lower) ? 'min' : 'max',
    },
  };
  return {
    name,
    output,
    source: sourceOf(plan.cases),
    steps,
    sinks: [],
    runtime: parseOptions(runtimeBlock, { device, seed }),
    train,
    packages: [],
    fusions,
    vars: {},
    secrets: new Map(),
    files,
  };
}

/** Steps with a cache behind the first ones, which then run once per case. */
export function withCache(steps: readonly BundleStep[], count: number): BundleStep[] {
  if (count === 0) return [...steps];
  const cache = { kind: 'operator', name: 'cache', options: {}, id: 'dataset' } as const;
  return [...steps.slice(0, count), cache, ...steps.slice(count)];
}

function sourceOf(cases: readonly CaseFiles[]): Placed<OpenableSource> {
  const items = cases.map((files, i) => ({ ...files, id: caseId(files, i) }));
  const { options, built, faults } = datalist.configure({ items });
  if (!options) throw new OptionError(faults.map((fault) => sayFault('datalist', fault)).join('\n'));
  return { id: 'datalist', definition: datalist, options, built };
}

function place<Built>(
  known: readonly Definition<Built>[],
  { name, options: given }: { readonly name: string; readonly options: object },
  id: string,
  problems: Problems,
): Placed<Built> | undefined {
  const definition = known.find((one) => one.name === name);
  if (!definition) throw new OptionError(`There is no ${name}.`);
  const { options, built, faults } = definition.configure(given);
  if (options) return { id: name, definition, options, built };
  for (const fault of faults) problems.add(id, `becomes ${sayFault(name, fault)}`);
  return undefined;
}
