import { showBytes } from '../errors.js';
import type { Data } from './document.js';
import type { Options } from './placed.js';
import type { TrainBlock } from './trainBlock.js';
import type { Pipeline } from './types.js';

interface Choice {
  readonly definition: { readonly name: string };
  readonly options: Options;
}

interface Named extends Choice {
  readonly id: string;
}

/** The resolved pipeline as plain data, for `validate` and `run.json`. */
export function describePipeline(pipeline: Pipeline): Data {
  const { memory } = pipeline.runtime;
  return {
    name: pipeline.name,
    output: pipeline.output,
    ...(pipeline.packages.length > 0 && { use: pipeline.packages }),
    vars: pipeline.vars,
    source: describeChoice(pipeline.source),
    steps: describeList(pipeline.steps),
    sinks: describeList(pipeline.sinks),
    runtime: { ...pipeline.runtime, memory: memory === 'auto' ? memory : showBytes(memory) },
    ...(pipeline.train && { train: describeTrain(pipeline.train) }),
  };
}

/** A network, loss or other choice as a pipeline file writes it: `{ KIND: OPTIONS }`. */
export function describeChoice({ definition, options }: Choice): Data {
  return { [definition.name]: options };
}

function describeList(list: readonly Named[]): Data[] {
  return list.map(({ id, definition, options }) => ({
    ...describeChoice({ definition, options }),
    ...(id !== definition.name && { id }),
  }));
}

function describeTrain({ network, loss, optimizer, schedule, validation, ...block }: TrainBlock): Data {
  return {
    ...(network && { network: describeChoice(network) }),
    loss: describeChoice(loss),
    optimizer: describeChoice(optimizer),
    schedule: describeChoice(schedule),
    ...block,
    ...(validation && {
      validation: {
        ...validation,
        source: describeChoice(validation.source),
        steps: describeList(validation.steps),
      },
    }),
  };
}
