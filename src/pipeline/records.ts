import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import type { Case } from '../case.js';
import { writeFileAside } from '../formats/files.js';
import { version } from '../version.js';
import type { Failure } from './events.js';

/** What every run leaves in its folder besides the sinks' files: `failures.csv`, `timings.csv` and `run.json`. */
export class Records {
  readonly #failures: Failure[] = [];
  readonly #timings = new Map<string, Case['timings']>();

  constructor(
    readonly output: string,
    /** The ids of all cases, in dataset order. */
    readonly order: readonly string[],
  ) {}

  /** Begins anew: what a former run left no longer holds. */
  async start(): Promise<void> {
    await this.#writeFailures();
  }

  done(id: string, timings: Case['timings']): void {
    this.#timings.set(id, timings);
  }

  /** Notes a failure, and appends it to the file at once. */
  async failed(failure: Failure): Promise<void> {
    this.#failures.push(failure);
    const file = this.#path('failures.csv');
    await appendFile(file, stringify([failureRow(failure)]), { flush: true }).catch(() => {
      // The disk is full, perhaps for this very case; the file is written whole at the end of the run.
    });
  }

  failures(): Failure[] {
    return this.order.flatMap((id) => this.#failures.filter((failure) => failure.case === id));
  }

  /** Writes the files whole, in dataset order. */
  async close(provenance: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#writeFailures();
    const steps = [...new Set([...this.#timings.values()].flatMap((timings) => Object.keys(timings)))];
    const rows = this.order.flatMap((id) => {
      const timings = this.#timings.get(id);
      return timings ? [[id, ...steps.map((step) => timings[step]?.toFixed(4) ?? '')]] : [];
    });
    await writeFileAside(this.#path('timings.csv'), stringify([['case', ...steps], ...rows]));
    const run = {
      voxstream: version,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      ...provenance,
    };
    await writeFileAside(this.#path('run.json'), `${JSON.stringify(run, null, 2)}\n`);
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
  return [failure.case, failure.step, failure.message];
}
