import type { AnyOperatorDefinition } from '../operators/define.js';
import type { AnySinkDefinition } from '../sinks/define.js';
import type { AnySourceDefinition } from '../sources/define.js';
import type { TrainBlock } from './trainBlock.js';

/** Options that were validated, with defaults filled in. */
export type Options = Readonly<Record<string, unknown>>;

/** One step, or one sink, of a pipeline. */
export interface ResolvedStep<Definition> {
  /** Its name in timings, failures and overrides; unique among steps and among sinks. */
  readonly id: string;
  readonly definition: Definition;
  readonly options: Options;
}

/** How a run uses the machine. */
export interface RuntimeOptions {
  readonly device: string;
  readonly inFlight: 'auto' | number;
  /** Bytes. */
  readonly memory: 'auto' | number;
  readonly workers: 'auto' | number;
  /** Seconds. */
  readonly stepTimeout: number;
  readonly seed: number;
}

/** A pipeline that is ready to run: files merged, overrides applied, references replaced, options validated. */
export interface Pipeline {
  readonly name: string;
  /** The run's folder. */
  readonly output: string;
  readonly source: { readonly definition: AnySourceDefinition; readonly options: Options };
  readonly steps: readonly ResolvedStep<AnyOperatorDefinition>[];
  readonly sinks: readonly ResolvedStep<AnySinkDefinition>[];
  readonly runtime: RuntimeOptions;
  /** In a pipeline that trains: how. */
  readonly train?: TrainBlock;
  /** The variables as they are after overrides. */
  readonly vars: Readonly<Record<string, unknown>>;
  /** The files it was read from. */
  readonly files: readonly string[];
}
