import { createHash } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CaseFile } from '../case.js';
import { makeFolder, writeFault } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { findFile } from '../formats/tar.js';
import { type Column, Columns } from '../metrics/columns.js';
import { type ColumnDescription, describeColumns, readColumns } from '../metrics/describeColumns.js';
import type { MetricValue } from '../metrics/metric.js';
import { columnReader, type FindMetric } from '../metrics/parseColumn.js';
import { type JsonValues, valuesFromJson, valuesToJson } from '../metrics/valuesAsJson.js';

/** The state of a file, for detecting changes. */
export interface FileState {
  readonly path: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** The record of a finished case. */
export interface JournalEntry {
  readonly case: string;
  /** The version of voxstream. */
  readonly version: string;
  /** The fingerprint of its steps, sinks and models. */
  readonly pipeline: string;
  readonly inputs: readonly FileState[];
  readonly outputs: readonly FileState[];
  readonly metrics: readonly MetricValue[];
  readonly timings: Readonly<Record<string, number>>;
  /**
   * The file of each of its volumes, by key: the one it was read from, else the one it was saved to. Absolute
   * paths.
   */
  readonly volumes: Readonly<Record<string, CaseFile>>;
  readonly labelNames?: Readonly<Record<number, string>>;
  /** What was assumed about its data. */
  readonly notes?: readonly string[];
}

/** An entry as a line of the journal. A column is described in the first line that has it. */
interface JournalLine extends Omit<JournalEntry, 'metrics'> {
  readonly metrics: JsonValues;
  readonly columns?: Readonly<Record<string, ColumnDescription>>;
}

/** The current state of files; a missing one has size -1. */
export async function stateOf(paths: readonly string[]): Promise<FileState[]> {
  return Promise.all(
    paths.map(async (path) => {
      const found = await findFile(path).catch(() => undefined);
      return { path, size: found?.size ?? -1, modified: found?.modified ?? 0 };
    }),
  );
}

/** The first of `then` that `now` does not contain in the same state; undefined if there is none. */
export function changedFile(then: readonly FileState[], now: readonly FileState[]): FileState | undefined {
  return then.find(
    ({ path, size, modified }) =>
      !now.some((file) => file.path === path && file.size === size && file.modified === modified),
  );
}

/** A hash of JSON values: of everything about a pipeline that decides a case's results. */
export function fingerprint(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/**
 * The list of finished cases in a run's folder (`.voxstream/journal.jsonl`, one JSON line each). A line is
 * appended once all results of a case are on disk, so the cases it lists survive a crash. An incomplete line
 * is ignored.
 */
export class Journal {
  readonly #file: string;
  /** The names of the columns that the file describes. */
  readonly #described = new Set<string>();

  constructor(output: string) {
    this.#file = join(output, '.voxstream', 'journal.jsonl');
  }

  /**
   * Reads the finished cases of earlier runs, by id. `find` finds the metrics of columns that are not
   * described, as in journals of older versions.
   */
  async read(find: FindMetric = () => undefined): Promise<Map<string, JournalEntry>> {
    const entries = new Map<string, JournalEntry>();
    const described = new Map<string, Column>();
    const columnOf = columnReader(described, find);
    const text = await readFile(this.#file, 'utf8').catch(() => '');
    for (const line of text.split('\n')) {
      try {
        const { metrics, columns, ...entry } = JSON.parse(line) as JournalLine;
        for (const [name, column] of readColumns(columns)) described.set(name, column);
        entries.set(entry.case, { ...entry, metrics: valuesFromJson(metrics, columnOf) });
      } catch {
        // Incomplete after a crash: that case is run again.
      }
    }
    return entries;
  }

  /** Replaces the journal with the entries that still hold. */
  async start(entries: Iterable<JournalEntry>): Promise<void> {
    await makeFolder(dirname(this.#file)).catch((error) => {
      throw writeFault(this.#file, error);
    });
    this.#described.clear();
    const lines: string[] = [];
    for (const entry of entries) {
      const line = this.#lineOf(entry);
      lines.push(`${JSON.stringify(line)}\n`);
      this.#noteDescribed(line);
    }
    await writeFileAside(this.#file, lines.join(''));
  }

  async append(entry: JournalEntry): Promise<void> {
    // Begins with a line break too, so that it does not continue an incomplete line.
    const line = this.#lineOf(entry);
    await appendFile(this.#file, `\n${JSON.stringify(line)}\n`, { flush: true }).catch((error) => {
      throw writeFault(this.#file, error);
    });
    this.#noteDescribed(line);
  }

  #lineOf({ metrics, ...entry }: JournalEntry): JournalLine {
    const columns = new Columns();
    const values = columns.add(metrics);
    const added = columns.all().filter(({ name }) => !this.#described.has(name));
    return {
      ...entry,
      metrics: valuesToJson(values),
      ...(added.length > 0 && { columns: describeColumns(added) }),
    };
  }

  #noteDescribed({ columns }: JournalLine): void {
    for (const name of Object.keys(columns ?? {})) this.#described.add(name);
  }
}
