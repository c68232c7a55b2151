import { statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { checkPlace, isAddress } from '../address.js';
import { listNames, OptionError, show, unknownName } from '../errors.js';
import { maskOf } from '../mask.js';
import {
  type Data,
  type Draft,
  isData,
  mergeDrafts,
  type PipelineFile,
  parsePipelineText,
  readPipelineFile,
} from './document.js';
import { expandPipeline } from './expandPipeline.js';
import { Faults } from './faults.js';
import { applyOverride, headKeys, type Override, parseOverride } from './overrides.js';
import { References } from './references.js';
import { createRegistry, type Registry } from './registry.js';
import { Resolver } from './resolver.js';
import { resolveTrain } from './resolveTrain.js';
import { runtimeBlock } from './runtimeBlock.js';
import type { Pipeline } from './types.js';

/** Options for loading pipeline files. */
export interface LoadOptions {
  /** Overrides of the form `PATH=VALUE`, applied in order. */
  readonly set?: readonly string[];
  /** Settings of the `runtime` block that apply where a pipeline does not state them. */
  readonly runtimeDefaults?: Readonly<Record<string, unknown>>;
  /** The dataset: replaces the source's `root`, or its `image` if it has none. */
  readonly input?: string;
  /** The definitions that pipelines can use. Default: the built-in ones. */
  readonly registry?: Registry;
  /** Environment variables for `${env.NAME}`. Default: those of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Loads a pipeline from files: merges later files over earlier ones, applies overrides, replaces references
 * and checks every option. Throws OptionError with one sentence per fault, each with file and line. All
 * faults are reported at once. Steps that stand for others are replaced by these; see `expandPipeline`.
 */
export async function loadPipeline(files: readonly string[], options: LoadOptions = {}): Promise<Pipeline> {
  return expandPipeline(resolvePipeline(await Promise.all(files.map(readPipelineFile)), options));
}

/** Like `loadPipeline`, for texts of files. Models are found beside the paths that are their names. */
export async function loadPipelineTexts(
  files: readonly { readonly name: string; readonly text: string }[],
  options: LoadOptions = {},
): Promise<Pipeline> {
  return expandPipeline(
    resolvePipeline(
      files.map(({ name, text }) => parsePipelineText(text, name)),
      options,
    ),
  );
}

/** Like `loadPipeline`, for the content of a file. `name` is its name in messages. */
export async function loadPipelineData(
  content: Data,
  name: string,
  options?: LoadOptions,
): Promise<Pipeline> {
  return expandPipeline(parsePipeline(JSON.stringify(content), name, options));
}

/**
 * Like `loadPipeline`, for a text. `name` is its name in messages. Steps that stand for others are replaced
 * when the pipeline runs.
 */
export function parsePipeline(text: string, name = 'pipeline', options: LoadOptions = {}): Pipeline {
  return resolvePipeline([parsePipelineText(text, name)], options);
}

/** The override for `LoadOptions.input`. Throws OptionError if the source has no option for a path. */
function inputOverride({ head }: Draft, input: string, { sources }: Registry): Override {
  const [name] = isData(head.source) ? Object.keys(head.source) : [];
  const options = (name && sources.get(name)?.options) || {};
  const required = (one: string) => one in options && !options[one].safeParse(undefined).success;
  const option = 'root' in options ? 'root' : ['image', 'path'].find(required);
  const isFolder = !isAddress(input) && (statSync(input, { throwIfNoEntry: false })?.isDirectory() ?? false);
  if (option) {
    return { path: ['source', option], value: option === 'image' && isFolder ? join(input, '*') : input };
  }
  throw new OptionError(
    `--input has no meaning for the source ${show(name ?? head.source)}: it has no option root, image or path. Use --set.`,
  );
}

function resolvePipeline(
  files: readonly PipelineFile[],
  { set = [], registry = createRegistry(), env, input, runtimeDefaults }: LoadOptions,
): Pipeline {
  if (files.length === 0) throw new OptionError('No pipeline file was given.');
  const merged = files.map((file) => file.draft).reduce(mergeDrafts);
  const overrides = [
    ...set.map(parseOverride),
    ...(input === undefined ? [] : [inputOverride(merged, input, registry)]),
  ];
  const draft = overrides.reduce(applyOverride, merged);
  const faults = new Faults(files, set, overrides);
  const { head } = draft;
  const keys = [...headKeys, 'steps', 'sinks'];
  for (const key of Object.keys(head)) {
    if (!keys.includes(key))
      faults.add([key], `${unknownName('key', key, keys)} A pipeline has the keys ${listNames(keys)}.`);
  }
  const vars = isData(head.vars) ? head.vars : {};
  if (head.vars !== undefined && head.vars !== null && !isData(head.vars))
    faults.add(['vars'], `vars must be a map, but it is ${show(head.vars)}.`);

  const references = new References(vars, env);
  const resolver = new Resolver(faults, references);
  const name = resolver.text(head.name ?? basename(files[0].file, extname(files[0].file)), 'name');
  const output = checkPlace(resolver.text(head.output ?? join('results', name), 'output'));
  const source = resolver.choice(head.source, ['source'], 'source', registry.sources);
  const steps = resolver.entries(draft.steps, {
    kind: 'operator',
    what: 'step',
    known: registry.operators,
    pathOf: ({ id }) => ['steps', id],
  });
  const sinks = resolver.entries(draft.sinks, {
    kind: 'sink',
    what: 'sink',
    known: registry.sinks,
    pathOf: ({ id }) => ['sinks', id],
  });
  if (draft.steps.every(({ disabled }) => disabled))
    faults.add(['steps'], 'steps is empty; a pipeline needs at least one step.');
  const stated = head.runtime ?? {};
  const settings = isData(stated) ? { ...runtimeDefaults, ...stated } : stated;
  const runtime = resolver.block(runtimeBlock, settings, ['runtime']);
  const train = head.train === undefined ? undefined : resolveTrain(resolver, head.train, draft, registry);
  const resolvedVars = resolver.replaced(vars, ['vars']);
  const publicEnv = head.publicEnv ?? [];
  if (!Array.isArray(publicEnv) || publicEnv.some((item) => typeof item !== 'string')) {
    faults.add(
      ['publicEnv'],
      `publicEnv must be a list of names of environment variables, but it is ${show(publicEnv)}.`,
    );
  }
  const isPublic = (name: string) => Array.isArray(publicEnv) && publicEnv.includes(name);
  const secrets = new Map([...references.usedEnv].filter(([name]) => !isPublic(name)));
  faults.throwAny(maskOf({ secrets }));
  if (!source || !runtime)
    throw new Error('A part of the pipeline was not resolved, but no fault was found.');
  return {
    name,
    output,
    source,
    steps,
    sinks,
    packages: registry.packages,
    fusions: registry.fusions,
    runtime,
    ...(train && { train }),
    vars: isData(resolvedVars) ? resolvedVars : {},
    secrets,
    files: files.map(({ file }) => file),
  };
}
