import { lastValueFrom, tap } from 'rxjs';
import { unknownColumn } from '../metrics/columns.js';
import { readColumns } from '../metrics/describeColumns.js';
import type { MetricsRow } from '../metrics/metric.js';
import { type JsonValues, valuesFromJson } from '../metrics/valuesAsJson.js';
import type { Failure, RunEvent } from './events.js';
import type { RunOptions } from './runOptions.js';
import { stream } from './stream.js';
import type { Pipeline } from './types.js';

/** The outcome of a run. */
export interface RunResult {
  readonly done: number;
  readonly failed: number;
  /** Number of cases that an earlier run had finished. */
  readonly skipped: number;
  readonly interrupted: boolean;
  /** In dataset order. */
  readonly failures: readonly Failure[];
  /** One sentence for each run-level file that could not be written. A run with `resume` writes them. */
  readonly problems: readonly string[];
  /** The metrics of each finished case, in dataset order. */
  readonly metrics: readonly MetricsRow[];
}

/**
 * Runs a pipeline to its end. It is `stream` as a promise.
 *
 * @throws VoxError under the same conditions as `stream`.
 */
export async function runPipeline(
  pipeline: Pipeline,
  { onEvent, ...options }: RunOptions = {},
): Promise<RunResult> {
  const failures: Failure[] = [];
  const rows: { readonly id: string; readonly values: JsonValues }[] = [];
  const collect = (event: RunEvent) => {
    onEvent?.(event);
    if (event.event === 'caseFailed') {
      const { case: id, step, message } = event;
      failures[event.index] = { case: id, step, message };
    } else if (event.event === 'caseDone' || event.event === 'caseSkipped') {
      rows[event.index] = { id: event.case, values: event.metrics };
    }
  };
  const last = await lastValueFrom(stream(pipeline, options).pipe(tap(collect)));
  if (last.event !== 'end') throw new Error(`The run ended with the event ${last.event}.`);
  const { done, failed, skipped, interrupted, problems } = last;
  const columns = readColumns(last.columns);
  const columnOf = (name: string) => columns.get(name) ?? unknownColumn(name);
  // Both lists are indexed by position in the dataset; flat() drops the empty positions of other cases.
  const metrics = rows
    .flat()
    .map(({ id, values }) => ({ case: id, metrics: valuesFromJson(values, columnOf) }));
  return { done, failed, skipped, interrupted, problems, failures: failures.flat(), metrics };
}
