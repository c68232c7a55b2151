import { basename, extname, join } from 'node:path';
import { z } from 'zod';
import { listNames, messageOf, OptionError, show, showBytes, unknownName } from '../errors.js';
import type { AnyOperatorDefinition } from '../operators/define.js';
import { bytesType } from '../operators/types.js';
import { type Configurable, checkOptions, type OptionFault } from '../options.js';
import { defaultStepTimeout } from '../runtime/sessions.js';
import {
  type Data,
  type Draft,
  type Entry,
  isData,
  mergeDrafts,
  type PipelineFile,
  parsePipelineText,
  readEntries,
  readPipelineFile,
} from './document.js';
import { applyOverride, headKeys, parseOverride } from './overrides.js';
import { replaceReferences } from './references.js';
import { createRegistry, type Registry, unknownDefinition } from './registry.js';
import {
  type Choice,
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
import type { Options, Pipeline, ResolvedStep, RuntimeOptions } from './types.js';

/** What may be changed when pipeline files are loaded. */
export interface LoadOptions {
  /** Overrides, `PATH=VALUE` each, in order. */
  readonly set?: readonly string[];
  /** What pipelines can name. Default: what comes with voxstream. */
  readonly registry?: Registry;
  /** Environment variables for `${env.NAME}`. Default: the process's. */
  readonly env?: NodeJS.ProcessEnv;
}

const auto = z.literal('auto');
/** The `runtime` block of a pipeline file. */
export const runtimeDefinition = {
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
} satisfies Configurable & { options: Record<keyof RuntimeOptions, z.ZodType> };

/**
 * Loads a pipeline from files: later ones are merged over earlier ones, overrides applied, references replaced, and every
 * option checked. Throws OptionError with one sentence per fault, each with file and line, and finds all faults at once.
 */
export async function loadPipeline(files: readonly string[], options: LoadOptions = {}): Promise<Pipeline> {
  return resolvePipeline(await Promise.all(files.map(readPipelineFile)), options);
}

/** Like `loadPipeline`, of a text; `name` is its name in messages. */
export function parsePipeline(text: string, name = 'pipeline', options: LoadOptions = {}): Pipeline {
  return resolvePipeline([parsePipelineText(text, name)], options);
}

function resolvePipeline(
  files: readonly PipelineFile[],
  { set = [], registry = createRegistry(), env }: LoadOptions,
): Pipeline {
  if (files.length === 0) throw new OptionError('No pipeline file was given.');
  const overrides = set.map(parseOverride);
  const draft = overrides.reduce(applyOverride, files.map((file) => file.draft).reduce(mergeDrafts));
  const faults: string[] = [];
  /** Notes a fault at a path of the merged pipeline, with where it stands. */
  const fault = (path: readonly PropertyKey[], sentence: string) => {
    const text = path.map(String);
    const override = set.findLast((_, i) => endsAlike(text, overrides[i].path));
    faults.push(`${override ? `--set ${override}` : whereIs(files, text)}: ${sentence}`);
  };
  const { head } = draft;
  for (const key of Object.keys(head)) {
    const known = [...headKeys, 'steps', 'sinks'];
    if (!known.includes(key))
      fault([key], `${unknownName('key', key, known)} A pipeline has the keys ${listNames(known)}.`);
  }
  const vars = isData(head.vars) ? head.vars : {};
  if (head.vars !== undefined && head.vars !== null && !isData(head.vars))
    fault(['vars'], `vars must be a map, but it is ${show(head.vars)}.`);

  const replaced = (value: unknown, path: readonly string[]) => {
    try {
      return replaceReferences(value, vars, env);
    } catch (error) {
      fault(path, messageOf(error));
      return undefined;
    }
  };
  const check = (
    definition: Configurable,
    given: unknown,
    path: readonly string[],
    what: string,
  ): Options | undefined => {
    const before = faults.length;
    const value = replaced(given, path);
    if (faults.length > before) return undefined;
    if (value !== undefined && value !== null && !isData(value)) {
      fault(path, `${what} takes a map of options, but it is ${show(value)}.`);
      return undefined;
    }
    const result = checkOptions(definition, value ?? {});
    for (const { path: inner, message } of result.faults)
      fault([...path, ...inner], `${what}, ${sayFault({ path: inner, message })}.`);
    return result.options;
  };
  const text = (key: 'name' | 'output', fallback: string) => {
    const value = replaced(head[key] ?? fallback, [key]);
    if (value !== undefined && (typeof value !== 'string' || value === ''))
      fault([key], `${key} must be a text, but it is ${show(value)}.`);
    return String(value);
  };
  const resolveAll = <D extends Configurable>(
    entries: readonly Entry[],
    list: 'steps' | 'sinks',
    known: ReadonlyMap<string, D>,
  ) =>
    entries.flatMap((entry): ResolvedStep<D>[] => {
      const what = list === 'steps' ? 'step' : 'sink';
      const definition = known.get(entry.name);
      if (!definition) {
        fault(
          [list, entry.id],
          `${what} ${entry.number}: ${unknownDefinition(what === 'step' ? 'operator' : 'sink', entry.name, known)}`,
        );
        return [];
      }
      if (entry.disabled) return [];
      const title = `${what} ${entry.number} (${entry.id})`;
      const options = check(definition, entry.options, [list, entry.id, entry.name], title);
      return options ? [{ id: entry.id, definition, options }] : [];
    });

  /** One of several kinds, as `{ KIND: OPTIONS }` or, where it needs no options, `KIND`. */
  const resolveChoice = <D extends Configurable>(
    given: unknown,
    path: readonly string[],
    kind: string,
    known: ReadonlyMap<string, D>,
  ): { definition: D; options: Options } | undefined => {
    const names = isData(given) ? Object.keys(given) : typeof given === 'string' ? [given] : [];
    if (names.length !== 1) {
      fault(
        path,
        `${kind} must name one of ${listNames([...known.keys()], 'or')}, as its one key, but it is ${show(given ?? 'missing')}.`,
      );
      return undefined;
    }
    const definition = known.get(names[0]);
    if (!definition) {
      fault([...path, names[0]], unknownDefinition(kind, names[0], known));
      return undefined;
    }
    const chosen = isData(given) ? given[names[0]] : undefined;
    const options = check(definition, chosen, [...path, names[0]], `${kind} ${names[0]}`);
    return options && { definition, options };
  };
  const resolveTrain = (given: unknown): TrainBlock | undefined => {
    const block = check(trainDefinition, given, ['train'], 'train') as TrainBlock | undefined;
    if (!block) return undefined;
    const choice = (key: 'network' | 'loss' | 'optimizer' | 'schedule', list: readonly Configurable[]) => {
      const found = resolveChoice(
        block[key] ?? (key === 'schedule' ? 'constant' : undefined),
        ['train', key],
        key,
        new Map(list.map((definition) => [definition.name, definition])),
      );
      return found && { name: found.definition.name, options: found.options };
    };
    const { network: wanted, model } = block;
    if (wanted === undefined && model === undefined)
      fault(['train'], 'train needs a network to begin with, or a model to go on from.');
    const checked = wanted === undefined ? undefined : choice('network', networkDefinitions);
    // As it was written: building it reads the parameters again.
    const parameters =
      isData(wanted) && checked ? (wanted as Record<string, unknown>)[checked.name] : undefined;
    const network = checked && { name: checked.name, options: (parameters ?? {}) as Options };
    const loss = choice('loss', lossDefinitions);
    const optimizer = choice('optimizer', optimizerDefinitions);
    const rates = choice('schedule', scheduleDefinitions);
    const validation = block.validation === undefined ? undefined : resolveValidation(block.validation);
    if (block.earlyStopping && block.validation === undefined)
      fault(['train', 'earlyStopping'], 'train, earlyStopping needs a validation to go by.');
    if (draft.sinks.some(({ disabled }) => !disabled))
      fault(
        ['sinks'],
        'a pipeline that trains has no sinks: the results of a training are its model and its records.',
      );
    if (!loss || !optimizer || !rates) return undefined;
    return { ...block, network, loss, optimizer, schedule: rates, validation };
  };
  const resolveValidation = (given: unknown): ValidationBlock | undefined => {
    const path = ['train', 'validation'];
    const block = check(validationDefinition, given, path, 'validation') as ValidationBlock | undefined;
    if (!block) return undefined;
    const source = resolveChoice(block.source, [...path, 'source'], 'source', registry.sources);
    let entries: readonly Entry[] = [];
    try {
      entries = readEntries(block.steps, 'steps', (index) =>
        whereIs(files, [...path, 'steps', ...(index === undefined ? [] : [String(index)])]),
      );
    } catch (error) {
      faults.push(messageOf(error));
      return undefined;
    }
    if (entries.length === 0) fault(path, 'validation needs steps, from files to metrics.');
    const steps = entries.flatMap((entry): ResolvedStep<AnyOperatorDefinition>[] => {
      const at = [...path, 'steps', String(entry.number - 1)];
      const definition = registry.operators.get(entry.name);
      if (!definition) {
        fault(at, `step ${entry.number}: ${unknownDefinition('operator', entry.name, registry.operators)}`);
        return [];
      }
      if (entry.disabled) return [];
      const inference = definition.name === 'inference';
      const chosen = inference
        ? { model: modelInTraining, ...(entry.options as Data | undefined) }
        : entry.options;
      const title = `validation step ${entry.number} (${entry.id})`;
      const options = check(definition, chosen, [...at, entry.name], title);
      return options ? [{ id: entry.id, definition, options }] : [];
    });
    return source && { ...block, source, steps };
  };

  const name = text('name', basename(files[0].file, extname(files[0].file)));
  const output = text('output', join('results', name));
  const source = resolveChoice(head.source, ['source'], 'source', registry.sources);
  const steps = resolveAll(draft.steps, 'steps', registry.operators);
  const sinks = resolveAll(draft.sinks, 'sinks', registry.sinks);
  if (steps.length === 0 && draft.steps.every(({ disabled }) => disabled))
    fault(['steps'], 'steps is empty: a pipeline needs at least one step.');
  const runtime = check(runtimeDefinition, head.runtime, ['runtime'], 'runtime');
  const train = head.train === undefined ? undefined : resolveTrain(head.train);
  const resolvedVars = replaced(vars, ['vars']);
  if (faults.length > 0 || !source || !runtime) throw new OptionError([...new Set(faults)].join('\n'));
  return {
    name,
    output,
    source,
    steps,
    sinks,
    runtime: runtime as unknown as RuntimeOptions,
    ...(train && { train }),
    vars: resolvedVars as Data,
    files: files.map(({ file }) => file),
  };
}

function sayFault({ path, message }: OptionFault): string {
  return path.length > 0 ? `${path.join('.')} ${message}` : message;
}

/** True when an override's path, whichever way it was written, sets what stands at `path`. */
function endsAlike(path: readonly string[], override: readonly string[]): boolean {
  const shortened = path[0] === 'steps' || path[0] === 'sinks' ? [path[1], ...path.slice(3)] : path;
  const inSource = path[0] === 'source' ? ['source', ...path.slice(2)] : path;
  return [path, shortened, inSource].some((form) => override.every((part, i) => form[i] === part));
}

/** `FILE:LINE` of a path: the file that has most of it, the last of equals. */
function whereIs(files: readonly PipelineFile[], path: readonly string[]): string {
  let best = { file: files[0].file, line: 1, depth: -1 };
  for (const { file, draft, lineOf } of files) {
    const found = lineOf(numbered(draft, path));
    if (found.depth >= best.depth) best = { file, ...found };
  }
  return `${best.file}:${best.line}`;
}

/** A step's path by its id as its path by number in this file. */
function numbered(draft: Draft, [list, id, ...rest]: readonly string[]): (string | number)[] {
  if (id === undefined || (list !== 'steps' && list !== 'sinks'))
    return [list, ...(id === undefined ? [] : [id]), ...rest];
  const entry = draft[list].find((candidate) => candidate.id === id);
  return entry ? [list, entry.number - 1, ...rest] : [list];
}

/** The pipeline as plain data, everything resolved: what `validate` prints and `run.json` records. */
export function describePipeline(pipeline: Pipeline): Data {
  const list = (steps: readonly ResolvedStep<{ readonly name: string }>[]) =>
    steps.map(({ id, definition, options }) => ({
      [definition.name]: options,
      ...(id !== definition.name && { id }),
    }));
  const { memory } = pipeline.runtime;
  return {
    name: pipeline.name,
    output: pipeline.output,
    vars: pipeline.vars,
    source: { [pipeline.source.definition.name]: pipeline.source.options },
    steps: list(pipeline.steps),
    sinks: list(pipeline.sinks),
    runtime: { ...pipeline.runtime, memory: memory === 'auto' ? memory : showBytes(memory) },
    ...(pipeline.train && { train: describeTrain(pipeline.train, list) }),
  };
}

function describeTrain(
  { network, loss, optimizer, schedule, validation, ...block }: TrainBlock,
  list: (steps: ValidationBlock['steps']) => unknown,
): Data {
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
        steps: list(validation.steps),
      },
    }),
  };
}
