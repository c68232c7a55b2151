import { nearestName, unknownName } from '../errors.js';
import type { ImageFormat } from '../formats/index.js';
import type { FindMetric } from '../metrics/parseColumn.js';
import type { Network } from '../onnx/builders/network.js';
import { networks } from '../onnx/builders/networks/index.js';
import type { AnyLoss } from '../onnx/training/loss.js';
import { losses } from '../onnx/training/losses.js';
import type { AnyOptimizer } from '../onnx/training/optimizer.js';
import { optimizers } from '../onnx/training/optimizers.js';
import type { AnySchedule } from '../onnx/training/schedule.js';
import { schedules } from '../onnx/training/schedules.js';
import type { AnyOperator } from '../operators/define.js';
import { isMetric, type Metric } from '../operators/defineMetric.js';
import type { Fusion } from '../operators/fusion.js';
import { fusions, operators } from '../operators/index.js';
import type { AnySink } from '../sinks/define.js';
import { sinks } from '../sinks/index.js';
import type { AnySource } from '../sources/define.js';
import { sources } from '../sources/index.js';
import type { Storage } from '../storage/define.js';
import { missingColon } from './parseYaml.js';

/** A package or file that adds definitions, for the records of a run. */
export interface UsedPackage {
  /** The value given with `--use`. */
  readonly use: string;
  /** The name and version of the package that contains the module, if it has a package.json. */
  readonly name?: string;
  readonly version?: string;
  /** The built-in definitions that it replaces, e.g. `operator orient`. */
  readonly replaces?: readonly string[];
  /** The SHA-256 of the module and of the files beside it that it uses; see `contentOf`. */
  readonly sha256: string;
}

/** The definitions that a pipeline file can use. */
export interface Registry {
  readonly operators: ReadonlyMap<string, AnyOperator>;
  readonly sources: ReadonlyMap<string, AnySource>;
  readonly sinks: ReadonlyMap<string, AnySink>;
  /** The members of `operators` that compute metrics. */
  readonly metrics: ReadonlyMap<string, Metric>;
  readonly networks: ReadonlyMap<string, Network>;
  readonly losses: ReadonlyMap<string, AnyLoss>;
  readonly optimizers: ReadonlyMap<string, AnyOptimizer>;
  readonly schedules: ReadonlyMap<string, AnySchedule>;
  /** Passes that run several steps with the same result. The first one that matches is used. */
  readonly fusions: readonly Fusion[];
  /** The packages and files that add definitions; see `loadRegistry`. */
  readonly packages: readonly UsedPackage[];
}

/**
 * Definitions from a package or file: the default export of a module that is given with `--use`. A definition
 * with the name of a built-in one replaces it.
 */
export interface Extension {
  readonly operators?: readonly AnyOperator[];
  readonly sources?: readonly AnySource[];
  readonly sinks?: readonly AnySink[];
  /** Each is also an operator of its name. */
  readonly metrics?: readonly Metric[];
  readonly networks?: readonly Network[];
  readonly losses?: readonly AnyLoss[];
  readonly optimizers?: readonly AnyOptimizer[];
  readonly schedules?: readonly AnySchedule[];
  /** File formats for images. They are registered in the process by `loadRegistry`; see `registerFormat`. */
  readonly formats?: readonly ImageFormat[];
  /** Kinds of places where files are. They are registered in the process by `loadRegistry`. */
  readonly storages?: readonly Storage[];
  /** Tried before the built-in ones. */
  readonly fusions?: readonly Fusion[];
}

const isFunction = (value: unknown) => typeof value === 'function';
const isDefinition = (value: unknown) => isFunction(Object(value).configure);

/** The parts of an extension, and for each a check whether a value belongs there. */
export const extensionParts: Readonly<Record<keyof Extension, (value: unknown) => boolean>> = {
  operators: isDefinition,
  sources: isDefinition,
  sinks: isDefinition,
  metrics: (value) => isDefinition(value) && isMetric(Object(value)),
  networks: isDefinition,
  losses: isDefinition,
  optimizers: isDefinition,
  schedules: isDefinition,
  formats: (value) => Object(value).kind === 'imageFormat',
  storages: (value) => Object(value).kind === 'storage',
  fusions: isFunction,
};

/** The built-in definitions plus those of extensions. Later ones replace earlier ones of the same name. */
export function createRegistry(...extensions: readonly Extension[]): Registry {
  const byName = <T extends { readonly name: string }>(
    ours: readonly T[],
    theirs: (extension: Extension) => readonly T[] | undefined,
  ) => new Map([ours, ...extensions.map((one) => theirs(one) ?? [])].flat().map((one) => [one.name, one]));
  const allOperators = byName<AnyOperator>(operators, (one) => [
    ...(one.operators ?? []),
    ...(one.metrics ?? []),
  ]);
  return {
    operators: allOperators,
    metrics: new Map([...allOperators].filter((entry): entry is [string, Metric] => isMetric(entry[1]))),
    sources: byName(sources, (one) => one.sources),
    sinks: byName(sinks, (one) => one.sinks),
    networks: byName(networks, (one) => one.networks),
    losses: byName(losses, (one) => one.losses),
    optimizers: byName(optimizers, (one) => one.optimizers),
    schedules: byName(schedules, (one) => one.schedules),
    fusions: [...extensions.flatMap((one) => one.fusions ?? []), ...fusions],
    packages: [],
  };
}

/** The kind of each part of an extension whose definitions replace built-in ones of the same name. */
const kinds = {
  operators: 'operator',
  metrics: 'metric',
  sources: 'source',
  sinks: 'sink',
  networks: 'network',
  losses: 'loss',
  optimizers: 'optimizer',
  schedules: 'schedule',
} as const;

/** The built-in definitions that an extension replaces, e.g. `operator orient`. */
export function replacedBy(extension: Extension): string[] {
  const builtIn = createRegistry();
  // A metric is an operator, too.
  const known = (part: keyof typeof kinds) => builtIn[part === 'metrics' ? 'operators' : part];
  return (Object.keys(kinds) as (keyof typeof kinds)[]).flatMap((part) =>
    (extension[part] ?? [])
      .filter(({ name }) => known(part).has(name))
      .map(({ name }) => `${kinds[part]} ${name}`),
  );
}

/** Finds the descriptions of metrics by their names, e.g. `hd95`. Metrics of extensions come first. */
export function metricFinder({ metrics }: Registry): FindMetric {
  const all = [...metrics.values()].reverse();
  return (name) => {
    for (const metric of all) {
      const found = metric.find(name);
      if (found) return found.metric;
    }
    return undefined;
  };
}

/** The clause for a name that this part of the registry does not contain. */
export function unknownDefinition(what: string, name: string, known: ReadonlyMap<string, unknown>): string {
  const [first] = name.split(/\W/);
  if (first !== name && known.has(first)) {
    const colon = missingColon(name) ?? `Options follow a colon: "${first}: { … }".`;
    return `there is no ${what} "${name}". ${colon}`;
  }
  const names = [...known.keys()];
  return names.length > mostListed && !nearestName(name, names)
    ? `there is no ${what} "${name}"; "voxstream operators" lists all ${names.length}.`
    : unknownName(what, name, names);
}

/** More names than these are not listed in a message. */
const mostListed = 30;
