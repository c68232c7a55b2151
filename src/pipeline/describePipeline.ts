import { showBytes } from '../errors.js';
import type { Data } from './document.js';
import type { Choice, TrainBlock } from './trainBlock.js';
import type { Options, Pipeline } from './types.js';

interface Named {
  readonly id: string;
  readonly definition: { readonly name: string };
  readonly options: Options;
}

/** The pipeline as plain data, with everything resolved: what `validate` prints and `run.json` records. */
export function describePipeline(pipeline: Pipeline): Data {
  const { memory } = pipeline.runtime;
  return {
    name: pipeline.name,
    output: pipeline.output,
    vars: pipeline.vars,
    source: { [pipeline.source.definition.name]: pipeline.source.options },
    steps: describeList(pipeline.steps),
    sinks: describeList(pipeline.sinks),
    runtime: { ...pipeline.runtime, memory: memory === 'auto' ? memory : showBytes(memory) },
    ...(pipeline.train && { train: describeTrain(pipeline.train) }),
  };
}

function describeList(list: readonly Named[]): Data[] {
  return list.map(({ id, definition, options }) => ({
    [definition.name]: options,
    ...(id !== definition.name && { id }),
  }));
}

function describeTrain({ network, loss, optimizer, schedule, validation, ...block }: TrainBlock): Data {
  const choice = (chosen: Choice | undefined) => chosen && { [chosen.name]: chosen.options };
  return {
    ...(network && { network: choice(network) }),
    loss: choice(loss),
    optimizer: choice(optimizer),
    schedule: choice(schedule),
    ...block,
    ...(validation && {
      validation: {
        ...validation,
        source: { [validation.source.definition.name]: validation.source.options },
        steps: describeList(validation.steps),
      },
    }),
  };
}
