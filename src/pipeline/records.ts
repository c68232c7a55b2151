import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import type { Case, FinishedCase } from '../case.js';
import { writeFileAside } from '../formats/files.js';
import { csvText } from '../harmless.js';
import { Columns, type NamedValues } from '../metrics/columns.js';
import { type ColumnDescription, describeColumns } from '../metrics/describeColumns.js';
import type { MetricValue } from '../metrics/metric.js';
import { columnsOf } from '../sinks/rows.js';
import type { Failure } from './events.js';
import { type Provenance, writeRunFile } from './runFile.js';

/** The files of `Records` in a run's folder. */
export function recordTargets(output: string): { ofRun: string[] } {
  return { ofRun: ['failures.csv', 'timings.csv', 'run.json'].map((name) => join(output, name)) };
}

/**
 * Writes the files that every run creates besides its sinks' output: `failures.csv`, `timings.csv` and
 * `run.json`.
 */
export class Records {
  readonly #failures: Failure[] = [];
  readonly #columns = new Columns();
  readonly #done = new Map<string, Pick<Case, 'metrics' | 'timings'>>();

  constructor(
    readonly output: string,
    /** The ids of all cases, in dataset order. */
    readonly order: readonly string[],
    /** What is known about the run before its first case. */
    readonly provenance: Provenance,
  ) {}

  /**
   * Replaces the records of an earlier run. run.json is written now, so that it exists even if the run is
   * killed.
   */
  async start(): Promise<void> {
    await Promise.all([this.#writeFailures(), writeRunFile(this.output, this.provenance, {})]);
  }

  /** Names the metrics of a case as the result files do. */
  nameMetrics(metrics: readonly MetricValue[]): NamedValues {
    return this.#columns.add(metrics);
  }

  /** Describes the columns of the metrics. */
  columns(): Record<string, ColumnDescription> {
    return describeColumns(this.#columns.all());
  }

  done({ id, metrics, timings }: Case): void {
    this.#done.set(id, { metrics, timings });
  }

  /** Records a failure and appends it to the file at once. */
  async failed(failure: Failure): Promise<void> {
    this.#failures.push(failure);
    const file = this.#path('failures.csv');
    await appendFile(file, stringify([failureRow(failure)]), { flush: true }).catch(() => {
      // The disk may be full, possibly because of this very case. The whole file is written again at the end
      // of the run.
    });
  }

  /** Takes over failures of other processes. They are written with the complete files. */
  restoreFailures(failures: readonly Failure[]): void {
    this.#failures.push(...failures);
  }

  failures(): Failure[] {
    return this.order.flatMap((id) => this.#failures.filter((failure) => failure.case === id));
  }

  /** The successful cases, in dataset order. */
  finished(): FinishedCase[] {
    return this.order.flatMap((id) => {
      const done = this.#done.get(id);
      return done ? [{ id, ...done }] : [];
    });
  }

  /** Writes the complete files, in dataset order, and the outcome of the run. */
  async close(outcome: Readonly<Record<string, unknown>>): Promise<void> {
    const finished = this.finished();
    const steps = columnsOf(finished.map(({ timings }) => timings));
    const rows = finished.map(({ id, timings }) => [
      csvText(id),
      ...steps.map((step) => timings[step]?.toFixed(4) ?? ''),
    ]);
    const timings = stringify([['case', ...steps.map(csvText)], ...rows]);
    // Each waits for the disk.
    await Promise.all([this.#writeFailures(), writeFileAside(this.#path('timings.csv'), timings)]);
    await writeRunFile(this.output, this.provenance, { ...outcome, columns: this.columns() });
  }

  #path(name: string): string {
    return join(this.output, name);
  }

  #writeFailures(): Promise<void> {
    const rows = this.failures().map(failureRow);
    return writeFileAside(this.#path('failures.csv'), stringify([['case', 'step', 'message'], ...rows]));
  }
}

function failureRow(failure: Failure): string[] {
  return [failure.case, failure.step, failure.message].map(csvText);
}
