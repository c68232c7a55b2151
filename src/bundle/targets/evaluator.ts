import { listNames, OptionError } from '../../errors.js';
import type { Component } from '../config/component.js';
import { Lambda } from '../language/evaluate.js';
import { Dict, iterate, PyObject, repr, Tuple, type Value } from '../language/values.js';
import { PyPath } from '../library/path.js';
import { FromEngine } from '../library/symbols.js';
import { Args } from './args.js';
import { type InferenceOptions, sliceAxisOf, translateInferer } from './inferer.js';
import { type MetricTarget, translateMetrics } from './metrics.js';
import { type NetworkTarget, networkOfSlices, translateNetwork } from './network.js';
import type { Problems } from './problems.js';
import type { BundleStep } from './steps.js';
import { translateTransforms } from './transforms.js';
import type { TransformState } from './translator.js';

/** The files of one case by key: a file, or several whose channels are joined. */
export type CaseFiles = Readonly<Record<string, string | readonly string[]>>;

/** Where and what `MetricsSaver` writes. */
export interface MetricsReport {
  readonly folder: string;
  /** Names of metrics for metrics.csv, or `*`. */
  readonly metrics: readonly string[];
  readonly details: readonly string[];
  readonly summary: readonly string[];
  readonly delimiter: string;
  /** The key whose file names the rows. Undefined: rows have numbers. */
  readonly source: string | undefined;
}

/** An evaluator of MONAI as voxstream runs it: inference, with or without metrics. */
export interface EvaluationPlan {
  readonly id: string;
  readonly cases: readonly CaseFiles[];
  readonly network: NetworkTarget;
  /** The checkpoint, or undefined if the configuration loads none. */
  readonly checkpoint: string | undefined;
  /** Steps before and after the network. */
  readonly before: readonly BundleStep[];
  readonly after: readonly BundleStep[];
  readonly inference: InferenceOptions;
  readonly metrics: readonly MetricTarget[];
  readonly keyMetric: string | undefined;
  readonly reports: readonly MetricsReport[];
}

/** Handlers that only show progress or are of no use in one run of inference. */
const quietHandlers = [
  'StatsHandler',
  'LogfileHandler',
  'TensorBoardStatsHandler',
  'TensorBoardImageHandler',
  'CheckpointSaver',
  'GarbageCollector',
  'ValidationHandler',
];

/**
 * Translates an evaluator.
 *
 * @param loader A CheckpointLoader that was called outside of the evaluator's handlers.
 * @returns undefined if there are problems.
 */
export function translateEvaluator(
  component: Component,
  loader: Component | undefined,
  problems: Problems,
): EvaluationPlan | undefined {
  const args = new Args(component, problems);
  args.ignore(
    'device',
    'amp',
    'non_blocking',
    'decollate',
    'mode',
    'metric_cmp_fn',
    'to_kwargs',
    'amp_kwargs',
    'compile',
  );
  const dataset = datasetOf(args, 'val_data_loader');
  const state: TransformState = {
    anyKey: dataset?.cases.length === 0,
    sources: new Map(dataset?.keys.map((key) => [key, key])),
    labels: new Set(),
    modes: new Map(),
    ...(dataset && { otherKeys: dataset.otherKeys }),
  };
  const before = dataset ? translateTransforms(dataset.transforms, state, problems) : [];
  state.sources.set('pred', state.sources.get('image') ?? 'image');
  const after = translateTransforms(composed(args.made('postprocessing'), problems), state, problems);
  const inferer = args.made('inferer');
  const inference = translateInferer(inferer, problems);
  const sliceAxis = inferer && sliceAxisOf(new Args(inferer, problems));
  const given = translateNetwork(args.value('network'), args.id, problems);
  const network =
    given && sliceAxis !== undefined ? networkOfSlices(given, sliceAxis, args.id, problems) : given;
  const key = translateMetrics(args.value('key_val_metric'), `${args.id}::key_val_metric`, problems);
  const more = translateMetrics(args.value('additional_metrics'), `${args.id}::additional_metrics`, problems);
  const handlers = args.all('val_handlers');
  const loaders = [
    ...(loader ? [loader] : []),
    ...handlers.filter(({ name }) => name === 'CheckpointLoader'),
  ];
  const reports = handlers.flatMap((handler) => translateHandler(handler, problems));
  args.supports('prepare_batch');
  args.supports('iteration_update');
  args.supports('epoch_length');
  args.checkAllAsked();
  if (!dataset || !network) return undefined;
  return {
    id: component.id,
    cases: dataset.cases,
    network,
    checkpoint: checkpointOf(loaders, problems),
    before,
    after,
    inference,
    metrics: [...key, ...more],
    keyMetric: key[0]?.name,
    reports,
  };
}

/** The transforms of a `Compose`, or of a single transform. */
export function composed(component: Component | undefined, problems: Problems): readonly Component[] {
  if (!component) return [];
  if (component.name !== 'Compose') return [component];
  const args = new Args(component, problems);
  args.ignore('map_items', 'unpack_items', 'log_stats', 'lazy', 'overrides');
  const transforms = args.all('transforms');
  args.checkAllAsked();
  return transforms.flatMap((one) => (one.name === 'Compose' ? composed(one, problems) : [one]));
}

/** A data loader's cases and their transforms. */
export interface DatasetTarget {
  readonly loader: Component;
  readonly dataset: Component;
  readonly cases: readonly CaseFiles[];
  readonly keys: readonly string[];
  /** Keys of the data that are not files. */
  readonly otherKeys: ReadonlySet<string>;
  readonly transforms: readonly Component[];
}

/** The data of an engine. Undefined, with a problem, if its data loader or dataset has no counterpart. */
export function datasetOf(engine: Args, argument: string): DatasetTarget | undefined {
  const loader = engine.made(argument);
  if (!loader) {
    engine.problem(`has no ${argument}`);
    return undefined;
  }
  if (!/^(Thread)?DataLoader$/.test(loader.name)) {
    engine.problems.add(loader.id, `is ${loader.target}, which has no counterpart; known is DataLoader`);
    return undefined;
  }
  const args = new Args(loader, engine.problems);
  // Every case is evaluated once, in the order of the list.
  args.ignore(
    'batch_size',
    'shuffle',
    'num_workers',
    'pin_memory',
    'collate_fn',
    'drop_last',
    'persistent_workers',
  );
  args.ignore('buffer_size', 'buffer_timeout', 'use_thread_workers', 'prefetch_factor', 'sampler');
  args.supports('repeats', 1);
  const dataset = args.made('dataset');
  args.checkAllAsked();
  if (!dataset) {
    args.problem('has no dataset');
    return undefined;
  }
  const known = [
    'Dataset',
    'CacheDataset',
    'PersistentDataset',
    'LMDBDataset',
    'SmartCacheDataset',
    'CacheNTransDataset',
  ];
  if (!known.includes(dataset.name)) {
    args.problems.add(
      dataset.id,
      `is ${dataset.target}, which has no counterpart; known are ${listNames(known)}`,
    );
    return undefined;
  }
  const own = new Args(dataset, engine.problems);
  own.ignore(
    'cache_rate',
    'cache_num',
    'num_workers',
    'cache_dir',
    'progress',
    'copy_cache',
    'as_contiguous',
  );
  own.ignore('hash_as_key', 'hash_func', 'runtime_cache', 'replace_rate', 'cache_n_trans', 'hash_transform');
  const otherKeys = new Set<string>();
  const cases = casesOf(own, otherKeys);
  const transforms = composed(own.made('transform'), engine.problems);
  own.checkAllAsked();
  const keys = [...new Set(cases.flatMap((one) => Object.keys(one)))];
  return { loader, dataset, cases, keys, otherKeys, transforms };
}

/** The cases of a dataset's `data`. Keys whose entries are not paths (a fold's number) go to `others`. */
function casesOf(args: Args, others: Set<string>): CaseFiles[] {
  const data = args.value('data');
  if (!Array.isArray(data)) {
    args.problem('needs data: a list of maps from keys to files');
    return [];
  }
  return data.flatMap((item) => {
    if (!(item instanceof Dict)) {
      args.problem(`has ${repr(item).slice(0, 80)} in its data, which is not a map from keys to files`);
      return [];
    }
    const files = item.entries().flatMap(([key, value]) => {
      const paths = pathsOf(value);
      if (paths !== undefined) return [[String(key), paths] as const];
      others.add(String(key));
      return [];
    });
    return [Object.fromEntries(files)];
  });
}

function pathsOf(value: Value): string | string[] | undefined {
  if (typeof value === 'string') return value;
  if (value instanceof PyPath) return value.path;
  if (!Array.isArray(value) && !(value instanceof Tuple)) return undefined;
  const paths = iterate(value).map(pathsOf);
  return paths.length > 0 && paths.every((path): path is string => typeof path === 'string')
    ? paths
    : undefined;
}

/** The file that the last of some CheckpointLoaders reads. */
export function checkpointOf(loaders: readonly Component[], problems: Problems): string | undefined {
  const paths = loaders.map((loader) => {
    const args = new Args(loader, problems);
    const path = args.text('load_path', undefined);
    // Every checkpoint of the zoo has its network under "model"; weights are found by their names.
    args.ignore('load_dict', 'name', 'map_location', 'strict_shape');
    args.supports('strict', true, 'True');
    args.checkAllAsked();
    if (path === undefined) args.problem('has no load_path');
    return path;
  });
  return paths.at(-1);
}

function translateHandler(handler: Component, problems: Problems): MetricsReport[] {
  if (handler.name === 'CheckpointLoader' || quietHandlers.includes(handler.name)) return [];
  if (handler.name !== 'MetricsSaver') {
    problems.add(handler.id, `is ${handler.target}, a handler that has no counterpart`);
    return [];
  }
  const args = new Args(handler, problems);
  const folder = args.text('save_dir', './');
  args.ignore('save_rank');
  args.supports('output_type', 'csv');
  const report: MetricsReport = {
    folder,
    metrics: args.texts('metrics', ['*']),
    details: args.texts('metric_details', []),
    summary: args.texts('summary_ops', []),
    delimiter: args.text('delimiter', ','),
    source: rowNames(args),
  };
  args.checkAllAsked();
  return [report];
}

/** The key whose files name the rows of a table, from MetricsSaver's `batch_transform`. */
function rowNames(args: Args): string | undefined {
  const given = args.value('batch_transform');
  if (given === undefined) return undefined;
  if (given instanceof FromEngine) return given.keys[0].replace(/_meta_dict$/, '');
  const found =
    given instanceof Lambda
      ? /^lambda (\w+): \[(\w+)\[['"](\w+)['"]\]\.meta for \2 in \1\]$/.exec(given.text)
      : undefined;
  if (found) return found[3];
  args.problem(
    `has batch_transform ${given instanceof PyObject ? given.show() : repr(given)}, which is not a known form`,
  );
  return undefined;
}

/** Throws OptionError if a plan has nothing to do. */
export function checkPlan(plan: EvaluationPlan): void {
  if (plan.cases.length === 0) {
    throw new OptionError(
      `${plan.id.replaceAll('::', '#')} has no cases: the list of files is empty. Check the data folder, e.g. --dataset_dir PATH`,
    );
  }
  if (plan.checkpoint === undefined) {
    throw new OptionError(
      `${plan.id.replaceAll('::', '#')} loads no weights: no CheckpointLoader is called or among its handlers. ` +
        'Random weights are not run.',
    );
  }
}
