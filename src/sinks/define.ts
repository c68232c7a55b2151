import { concatMap, type OperatorFunction } from 'rxjs';
import type { Case, FinishedCase } from '../case.js';
import type { Secrets } from '../mask.js';
import type { Forecaster } from '../operators/forecast.js';
import {
  callable,
  configurator,
  type Definition,
  type Described,
  type GivenOptions,
  type OptionsThen,
  type OptionTypes,
  type OptionValues,
  parseOptions,
} from '../options.js';
import { defaultRuntime, type Runtime } from '../runtime/runtime.js';

/** Where finished cases go. */
export interface Sink {
  /**
   * Takes a case's results. They are safe when this ends. The engine holds a place on the io lane meanwhile.
   *
   * On a queue, several processes write cases, and another one closes the sink with the cases restored. So a
   * sink with files of cases (`ofCase` of its targets) must not write files of the run here. One that only
   * has files of the run (`ofRun`) gets all its cases by `restore`, and this is not called.
   */
  write(subject: Case): Promise<void>;
  /** Takes a case that an earlier run finished; it has its metrics and no volumes. */
  restore?(subject: Case): void;
  /** The files that hold a case's results, to see later whether they are still there. */
  files?(subject: Case): readonly string[];
  /** Those of them that `close` or `finish` reads. The others may be gone from this machine then. */
  kept?(subject: Pick<Case, 'id'>): readonly string[];
  /** Those of them that hold a whole volume, by its key; `files` need not name them again. */
  volumes?(subject: Case): Readonly<Record<string, string>>;
  /** Files of the run's folder that `close` or `finish` reads, where they are, and that others write. */
  readonly reads?: readonly string[];
  /**
   * Ends the sink; `order` has the ids of the cases that ended well, in this run or an earlier one, in
   * dataset order.
   */
  close?(order: readonly string[]): Promise<void>;
  /**
   * Comes last, when all sinks are closed and the run's own files are written, for a sink that reads what
   * they hold; `done` has the cases that ended well, in this run or an earlier one, in dataset order.
   */
  finish?(done: readonly FinishedCase[]): Promise<void>;
}

/** What a sink gets besides its options. */
export interface SinkContext {
  /** The run's folder; relative paths of sinks are inside it. */
  readonly output: string;
  readonly runtime: Runtime;
  /** The run's seed. */
  readonly seed: number;
  /**
   * Values of environment variables that are not to appear in files, by name. They are hidden in a case's
   * notes already.
   */
  readonly secrets?: Secrets;
}

/** The files and folders that a sink writes: absolute paths inside the run's folder. */
export interface SinkTargets {
  /** Those of the run as a whole. */
  readonly ofRun?: readonly string[];
  /** Those of a case, by its id: its files and volumes are not known yet. */
  readonly ofCase?: (subject: Pick<Case, 'id'>) => readonly string[];
}

/** A sink with options that were checked. */
export interface OpenableSink {
  /** Where it writes. */
  readonly targets?: (output: string) => SinkTargets;
  /** Starts the sink. Throws if its output cannot be written, before the first case is read. */
  readonly open: (context: SinkContext) => Promise<Sink>;
  /** The memory that it needs for itself, for the estimate of a case's. Default: next to none. */
  readonly forecast?: () => Forecaster;
}

/** What is written once of a sink. Its types, help, JSON Schema and reference page all derive from it. */
export interface SinkSpec<T extends OptionTypes> extends Described<T> {
  /**
   * Where it writes. The engine refuses a run before it starts if two results would get the same file, or if
   * a file would be replaced that no run wrote. Name every file or folder.
   */
  readonly targets?: (options: OptionValues<T>, output: string) => SinkTargets;
  /** Starts the sink. Throws if its output cannot be written, before the first case is read. */
  readonly open: (options: OptionValues<T>, context: SinkContext) => Promise<Sink>;
  /** The memory that it needs for itself, for the estimate of a case's. Default: next to none. */
  readonly forecast?: (options: OptionValues<T>) => Forecaster;
}

/** A sink as a registry holds it, whatever its options are. */
export type AnySink = Definition<OpenableSink>;

/**
 * A kind of sink: call it with a folder and options for use with `saveTo`, or put it into a registry for use
 * in pipeline files.
 *
 * @throws OptionError when called, if options are faulty.
 */
export interface SinkOf<T extends OptionTypes, Given = GivenOptions<T>> extends AnySink {
  (output: string, ...args: OptionsThen<T, Given>): Pick<Sink, 'write'>;
  readonly options: T;
  /** Never set: it carries the type of the options; see `OptionsOf`. */
  readonly given?: Given;
}

/** Defines a sink. */
export function sink<const T extends OptionTypes>(spec: SinkSpec<T>): SinkOf<T> {
  const { open, forecast, targets, ...described } = spec;
  const configure = configurator(
    spec,
    (options): OpenableSink => ({
      open: (context) => open(options, context),
      ...(targets && { targets: (output) => targets(options, output) }),
      ...(forecast && { forecast: () => forecast(options) }),
    }),
  );
  const call = (output: string, options?: GivenOptions<T>): Pick<Sink, 'write'> => {
    const checked = parseOptions(spec, options);
    let opening: Promise<Sink> | undefined;
    return {
      async write(subject) {
        opening ??= open(checked, { output, runtime: defaultRuntime(), seed: 0 });
        await (await opening).write(subject);
      },
    };
  };
  return callable(call, { ...described, configure });
}

/** An operator that writes every case to a sink and hands it on once it is safe. */
export function saveTo(sink: Pick<Sink, 'write'>): OperatorFunction<Case, Case> {
  return concatMap(async (subject) => {
    await sink.write(subject);
    return subject;
  });
}
