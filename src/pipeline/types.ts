import type { Secrets } from '../mask.js';
import type { Fusion, PlacedStep } from '../operators/fusion.js';
import type { OpenableSink } from '../sinks/define.js';
import type { OpenableSource } from '../sources/define.js';
import type { Placed } from './placed.js';
import type { UsedPackage } from './registry.js';
import type { RuntimeOptions } from './runtimeBlock.js';
import type { TrainBlock } from './trainBlock.js';

/**
 * A pipeline that is ready to run: files merged, overrides applied, references replaced, options validated.
 */
export interface Pipeline {
  readonly name: string;
  /** The output folder. */
  readonly output: string;
  readonly source: Placed<OpenableSource>;
  readonly steps: readonly PlacedStep[];
  readonly sinks: readonly Placed<OpenableSink>[];
  readonly runtime: RuntimeOptions;
  /** Training settings, in a training pipeline. */
  readonly train?: TrainBlock;
  /** The packages and files whose definitions it may use; see `loadRegistry`. */
  readonly packages: readonly UsedPackage[];
  /** Passes that run several steps at once; see `Registry`. */
  readonly fusions: readonly Fusion[];
  /** The variables after overrides. */
  readonly vars: Readonly<Record<string, unknown>>;
  /**
   * The values of environment variables that it uses and does not list in `publicEnv`, by name. They are
   * hidden in records and events; see `maskOf`.
   */
  readonly secrets: Secrets;
  /** The files it was read from. */
  readonly files: readonly string[];
}
