import type { ColumnDescription } from '../metrics/describeColumns.js';
import type { JsonValues } from '../metrics/valuesAsJson.js';

/**
 * What happens in a run: what `stream` emits, and what `voxstream run --json` prints, one a line. Seconds are wall time.
 * `index` is the case's place in the dataset, from 0.
 */
export type RunEvent =
  | {
      readonly event: 'start';
      readonly pipeline: string;
      readonly output: string;
      readonly cases: number;
      readonly inFlight: number;
      /** Bytes that the cases that are open may take together. */
      readonly memory: number;
      /** The device that runs models; as it was asked for where no step has a model. */
      readonly device: string;
      /** Why it was picked, and what of the models it leaves to the CPU. */
      readonly deviceNote?: string;
      /** The steps and sinks in order. */
      readonly steps: readonly string[];
    }
  /** A case that an earlier run finished is left out. */
  | {
      readonly event: 'caseSkipped';
      readonly case: string;
      readonly index: number;
      readonly reason: string;
      /** By column. */
      readonly metrics: JsonValues;
    }
  /** A case is opened; one that cannot be fails without. */
  | {
      readonly event: 'caseStart';
      readonly case: string;
      /** With `--resume`: why it is done again. */
      readonly reason?: string;
      /** Bytes that it is estimated to take. */
      readonly memory?: number;
    }
  /** A step (or sink) of a case ended after `seconds` of work, waiting left out. */
  | { readonly event: 'step'; readonly case: string; readonly step: string; readonly seconds: number }
  | {
      readonly event: 'caseDone';
      readonly case: string;
      readonly index: number;
      readonly seconds: number;
      /** By column. */
      readonly metrics: JsonValues;
    }
  | {
      readonly event: 'caseFailed';
      readonly case: string;
      readonly index: number;
      readonly step: string;
      readonly message: string;
    }
  /** Something that the user should know and that stops nothing, e.g. what was assumed about the data of a case. */
  | { readonly event: 'warning'; readonly message: string; readonly case?: string }
  | {
      readonly event: 'end';
      readonly done: number;
      readonly failed: number;
      readonly skipped: number;
      readonly interrupted: boolean;
      readonly seconds: number;
      /** Per lane, the share of the run's wall time that its places were busy, 0 to 1. */
      readonly lanes: Readonly<Record<string, number>>;
      /** What the columns of `metrics` hold. */
      readonly columns: Readonly<Record<string, ColumnDescription>>;
      /** Files of the run as a whole that could not be written, a sentence each. */
      readonly problems: readonly string[];
    };

/** One row of `failures.csv`. */
export interface Failure {
  readonly case: string;
  readonly step: string;
  readonly message: string;
}
