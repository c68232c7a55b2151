import { messageOf } from '../errors.js';
import { type Data, type Draft, type Entry, isData, readEntries } from './document.js';
import type { Registry } from './registry.js';
import type { Resolver } from './resolver.js';
import {
  type ChosenNetwork,
  modelInTraining,
  type TrainBlock,
  trainBlock,
  type ValidationBlock,
  validationBlock,
} from './trainBlock.js';

/** The validated `train` block of a pipeline. */
export function resolveTrain(
  resolver: Resolver,
  given: unknown,
  draft: Draft,
  registry: Registry,
): TrainBlock | undefined {
  const { faults } = resolver;
  const block = resolver.block(trainBlock, given, ['train']);
  if (!block) return undefined;
  const { network: wanted, model } = block;
  if (wanted === undefined && model === undefined)
    faults.add(['train'], 'train needs a network or a model to start from.');
  const network = wanted === undefined ? undefined : resolveNetwork(resolver, wanted, registry);
  const loss = resolver.choice(block.loss, ['train', 'loss'], 'loss', registry.losses);
  const optimizer = resolver.choice(
    block.optimizer,
    ['train', 'optimizer'],
    'optimizer',
    registry.optimizers,
  );
  const schedule = resolver.choice(
    block.schedule ?? 'constant',
    ['train', 'schedule'],
    'schedule',
    registry.schedules,
  );
  const validation =
    block.validation === undefined
      ? undefined
      : resolveValidation(resolver, block.validation, draft.head.source, registry);
  if (block.earlyStopping && block.validation === undefined)
    faults.add(['train', 'earlyStopping'], 'train, earlyStopping needs a validation block.');
  if (draft.sinks.some(({ disabled }) => !disabled))
    faults.add(
      ['sinks'],
      'a training pipeline has no sinks: its results are the model and the training records.',
    );
  if (!loss || !optimizer || !schedule) return undefined;
  return { ...block, network, loss, optimizer, schedule, validation };
}

function resolveNetwork(
  resolver: Resolver,
  given: unknown,
  { networks }: Registry,
): ChosenNetwork | undefined {
  const found = resolver.choice(given, ['train', 'network'], 'network', networks);
  if (!found) return undefined;
  const { definition } = found;
  const parameters = isData(given)
    ? resolver.replaced(given[definition.name], ['train', 'network'])
    : undefined;
  return { definition, options: isData(parameters) ? parameters : {} };
}

function resolveValidation(
  resolver: Resolver,
  given: unknown,
  trainingSource: unknown,
  registry: Registry,
): ValidationBlock | undefined {
  const { faults } = resolver;
  const path = ['train', 'validation'];
  const block = resolver.block(validationBlock, given, path);
  if (!block) return undefined;
  const source = resolver.choice(
    block.source === undefined || block.source === null
      ? validationSplit(trainingSource, registry)
      : withOptionsOf(block.source, trainingSource),
    [...path, 'source'],
    'source',
    registry.sources,
  );
  let entries: readonly Entry[] = [];
  try {
    entries = readEntries(block.steps, 'steps', (index) =>
      faults.placeOf([...path, 'steps', ...(index === undefined ? [] : [String(index)])]),
    );
  } catch (error) {
    faults.addPlaced(messageOf(error));
    return undefined;
  }
  if (entries.length === 0) faults.add(path, 'validation needs steps that lead from files to metrics.');
  const steps = resolver.entries(entries.map(withModelInTraining), {
    kind: 'operator',
    what: 'validation step',
    known: registry.operators,
    pathOf: ({ number }) => [...path, 'steps', String(number - 1)],
  });
  return source && { ...block, source, steps };
}

/** The source of the training cases with its split for validation; undefined if it has no splits. */
function validationSplit(training: unknown, { sources }: Registry): unknown {
  const [[kind, options] = []] = isData(training) ? Object.entries(training) : [];
  const definition = kind === undefined ? undefined : sources.get(kind);
  if (!definition || !('split' in definition.options)) return undefined;
  return { [definition.name]: { ...(isData(options) && options), split: 'validation' } };
}

/** A source with the options that it does not state taken from another one of the same kind. */
function withOptionsOf(source: unknown, other: unknown): unknown {
  if (!isData(source) || !isData(other)) return source;
  return Object.fromEntries(
    Object.entries(source).map(([kind, options]) =>
      isData(other[kind]) && (isData(options) || options === null)
        ? [kind, { ...other[kind], ...options }]
        : [kind, options],
    ),
  );
}

/** In a validation, an inference without a model uses the model in training. */
function withModelInTraining(entry: Entry): Entry {
  if (entry.name !== 'inference') return entry;
  const options: Data = isData(entry.options) ? entry.options : {};
  return { ...entry, options: { model: modelInTraining, ...options } };
}
