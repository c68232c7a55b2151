import { messageOf } from '../errors.js';
import { type Configurable, configurator, type Definition } from '../options.js';
import { type Data, type Draft, type Entry, isData, readEntries } from './document.js';
import type { Registry } from './registry.js';
import type { Resolver } from './resolver.js';
import {
  lossDefinitions,
  modelInTraining,
  networkDefinitions,
  optimizerDefinitions,
  scheduleDefinitions,
  type TrainBlock,
  trainDefinition,
  type ValidationBlock,
  validationDefinition,
} from './trainBlock.js';

/** The `train` block of a pipeline, checked. */
export function resolveTrain(
  resolver: Resolver,
  given: unknown,
  draft: Draft,
  registry: Registry,
): TrainBlock | undefined {
  const { faults } = resolver;
  const block = resolver.block(trainDefinition, given, ['train']);
  if (!block) return undefined;
  const choice = (key: 'network' | 'loss' | 'optimizer' | 'schedule', list: readonly Configurable[]) => {
    const value = block[key] ?? (key === 'schedule' ? 'constant' : undefined);
    const found = resolver.choice(value, ['train', key], key, definitionsOf(list));
    return found && { name: found.definition.name, options: found.options };
  };
  const { network: wanted, model } = block;
  if (wanted === undefined && model === undefined)
    faults.add(['train'], 'train needs a network to begin with, or a model to go on from.');
  const checked = wanted === undefined ? undefined : choice('network', networkDefinitions);
  // As it was written: building it reads the parameters again.
  const parameters = isData(wanted) && checked ? wanted[checked.name] : undefined;
  const network = checked && { name: checked.name, options: isData(parameters) ? parameters : {} };
  const loss = choice('loss', lossDefinitions);
  const optimizer = choice('optimizer', optimizerDefinitions);
  const schedule = choice('schedule', scheduleDefinitions);
  const validation =
    block.validation === undefined ? undefined : resolveValidation(resolver, block.validation, registry);
  if (block.earlyStopping && block.validation === undefined)
    faults.add(['train', 'earlyStopping'], 'train, earlyStopping needs a validation to go by.');
  if (draft.sinks.some(({ disabled }) => !disabled))
    faults.add(
      ['sinks'],
      'a pipeline that trains has no sinks: the results of a training are its model and its records.',
    );
  if (!loss || !optimizer || !schedule) return undefined;
  return { ...block, network, loss, optimizer, schedule, validation };
}

function resolveValidation(
  resolver: Resolver,
  given: unknown,
  registry: Registry,
): ValidationBlock | undefined {
  const { faults } = resolver;
  const path = ['train', 'validation'];
  const block = resolver.block(validationDefinition, given, path);
  if (!block) return undefined;
  const source = resolver.choice(block.source, [...path, 'source'], 'source', registry.sources);
  let entries: readonly Entry[] = [];
  try {
    entries = readEntries(block.steps, 'steps', (index) =>
      faults.placeOf([...path, 'steps', ...(index === undefined ? [] : [String(index)])]),
    );
  } catch (error) {
    faults.addPlaced(messageOf(error));
    return undefined;
  }
  if (entries.length === 0) faults.add(path, 'validation needs steps, from files to metrics.');
  const steps = resolver.entries(entries.map(withModelInTraining), {
    kind: 'operator',
    what: 'validation step',
    known: registry.operators,
    pathOf: ({ number }) => [...path, 'steps', String(number - 1)],
  });
  return source && { ...block, source, steps };
}

/** In a validation, an inference without a model takes the one in training. */
function withModelInTraining(entry: Entry): Entry {
  if (entry.name !== 'inference') return entry;
  const options: Data = isData(entry.options) ? entry.options : {};
  return { ...entry, options: { model: modelInTraining, ...options } };
}

function definitionsOf(list: readonly Configurable[]): ReadonlyMap<string, Definition<undefined>> {
  return new Map(
    list.map((one) => [
      one.name,
      { ...one, summary: '', example: {}, configure: configurator(one, () => undefined) },
    ]),
  );
}
