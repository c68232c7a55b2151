import type { ColumnDescription } from '../metrics/describeColumns.js';
import type { JsonValues } from '../metrics/valuesAsJson.js';

/**
 * The events of a run: `stream` emits them and `voxstream run --json` prints them, one per line. Seconds are
 * wall time. `index` is the case's position in the dataset, from 0.
 */
export type RunEvent =
  /** What is done before the first case: a clause, e.g. `listing the cases`. */
  | { readonly event: 'preparing'; readonly what: string }
  | {
      readonly event: 'start';
      readonly pipeline: string;
      readonly output: string;
      readonly cases: number;
      readonly inFlight: number;
      /** Memory limit for all open cases together, in bytes. */
      readonly memory: number;
      /** The device that runs models. If no step has a model, the requested device. */
      readonly device: string;
      /** Why the device was chosen, and which parts of the models run on the CPU instead. */
      readonly deviceNote?: string;
      /** The ids of steps and sinks, in order. */
      readonly steps: readonly string[];
    }
  /** A case was skipped because an earlier run finished it. */
  | {
      readonly event: 'caseSkipped';
      readonly case: string;
      readonly index: number;
      readonly reason: string;
      /** By column. */
      readonly metrics: JsonValues;
    }
  /** A case was started. A case that cannot be opened fails without this event. */
  | {
      readonly event: 'caseStart';
      readonly case: string;
      /** With `--resume`: why the case is run again. */
      readonly reason?: string;
      /** Estimated memory in bytes. */
      readonly memory?: number;
    }
  /** A step (or sink) of a case ended after `seconds` of work, without waiting time. */
  | { readonly event: 'step'; readonly case: string; readonly step: string; readonly seconds: number }
  /** While a model slides over a case's volume, about twice a second: how many of its windows are done. */
  | {
      readonly event: 'windows';
      readonly case: string;
      readonly step: string;
      readonly done: number;
      readonly all: number;
    }
  | {
      readonly event: 'caseDone';
      readonly case: string;
      readonly index: number;
      readonly seconds: number;
      /** The size of the files that it was read from; 0 for a remote case. */
      readonly bytesRead: number;
      /** The size of the files with its results. */
      readonly bytesWritten: number;
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
  /** A non-fatal problem that the user should know about, e.g. an assumption about the data of a case. */
  | { readonly event: 'warning'; readonly message: string; readonly case?: string }
  | {
      readonly event: 'end';
      readonly done: number;
      readonly failed: number;
      readonly skipped: number;
      readonly interrupted: boolean;
      readonly seconds: number;
      /** Utilization of each lane, 0 to 1: the share of the run's wall time in which its places were busy. */
      readonly lanes: Readonly<Record<string, number>>;
      /** Describes the columns of `metrics`. */
      readonly columns: Readonly<Record<string, ColumnDescription>>;
      /** One sentence for each run-level file that could not be written. */
      readonly problems: readonly string[];
    };

/** A row of `failures.csv`. */
export interface Failure {
  readonly case: string;
  readonly step: string;
  readonly message: string;
}
