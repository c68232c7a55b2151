import { concatMap, type OperatorFunction } from 'rxjs';
import type { z } from 'zod';
import type { Case, FinishedCase } from '../case.js';
import type { OptionTypes } from '../operators/define.js';
import type { Forecaster } from '../operators/forecast.js';
import { defaultRuntime, type Runtime } from '../runtime/runtime.js';

/** Where finished cases go. */
export interface Sink {
  /** Takes a case's results. They are safe when this ends. */
  write(subject: Case): Promise<void>;
  /** Takes a case that an earlier run finished; it has its metrics and no volumes. */
  restore?(subject: Case): void;
  /** The files that hold a case's results, to see later whether they are still there. */
  files?(subject: Case): readonly string[];
  /** Those of them that hold a whole volume, by its key; `files` need not name them again. */
  volumes?(subject: Case): Readonly<Record<string, string>>;
  /** Ends the sink; `order` has the ids of the cases that ended well, in this run or an earlier one, in dataset order. */
  close?(order: readonly string[]): Promise<void>;
  /**
   * Comes last, when all sinks are closed and the run's own files are written, for a sink that reads what they hold;
   * `done` has the cases that ended well, in this run or an earlier one, in dataset order.
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
}

/** What the registry knows of a sink; see `OperatorDefinition` for the fields. */
export interface SinkDefinition<Options> {
  readonly name: string;
  readonly summary: string;
  readonly options: OptionTypes<Options>;
  readonly check?: (options: Options) => string[];
  readonly example: Partial<Options>;
  /** Starts the sink. Throws when its output cannot be written, before the first case is read. */
  readonly open: (options: Options, context: SinkContext) => Promise<Sink>;
  /** The memory that it needs for itself, for the estimate of a case's; see `OperatorDefinition`. Default: next to none. */
  readonly forecast?: (options: Options) => Forecaster;
}

/** A sink definition whatever its options are. */
export interface AnySinkDefinition extends Pick<SinkDefinition<object>, 'name' | 'summary'> {
  readonly options: Readonly<Record<string, z.ZodType>>;
  readonly check?: (options: never) => string[];
  readonly example: object;
  readonly open: (options: never, context: SinkContext) => Promise<Sink>;
  readonly forecast?: (options: never) => Forecaster;
}

/** Definition of a sink, its options typed against `Options`. */
export function defineSink<Options>(definition: SinkDefinition<Options>): SinkDefinition<Options> {
  return definition;
}

/** A sink's context for use without the engine. */
export function sinkContext(output: string): SinkContext {
  return { output, runtime: defaultRuntime(), seed: 0 };
}

/** An operator that writes every case to a sink and hands it on once it is safe. */
export function saveTo(sink: Sink): OperatorFunction<Case, Case> {
  return concatMap(async (subject) => {
    await sink.write(subject);
    return subject;
  });
}
