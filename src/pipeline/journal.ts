import { createHash } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Case, CaseFile } from '../case.js';
import { makeFolder, writeFault } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { findFile } from '../formats/tar.js';

/** A file's state, to tell whether it has changed. */
export interface FileState {
  readonly path: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** What is noted about a finished case. */
export interface JournalEntry {
  readonly case: string;
  /** The version of voxstream. */
  readonly version: string;
  /** The fingerprint of its steps, sinks and models. */
  readonly pipeline: string;
  readonly inputs: readonly FileState[];
  readonly outputs: readonly FileState[];
  readonly metrics: Readonly<Record<string, number | string>>;
  readonly timings: Readonly<Record<string, number>>;
  /**
   * The file of each of its volumes, by key: the one it was read from, else the one it was saved to. Absolute
   * paths.
   */
  readonly volumes: Readonly<Record<string, CaseFile>>;
  readonly labelNames?: Readonly<Record<number, string>>;
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

  constructor(output: string) {
    this.#file = join(output, '.voxstream', 'journal.jsonl');
  }

  /** The finished cases of earlier runs, by id. */
  async read(): Promise<Map<string, JournalEntry>> {
    const entries = new Map<string, JournalEntry>();
    const text = await readFile(this.#file, 'utf8').catch(() => '');
    for (const line of text.split('\n')) {
      try {
        const entry = JSON.parse(line) as JournalEntry;
        entries.set(entry.case, entry);
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
    await writeFileAside(this.#file, [...entries].map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  }

  async append(entry: JournalEntry): Promise<void> {
    // Begins with a line break too, so that it does not continue an incomplete line.
    await appendFile(this.#file, `\n${JSON.stringify(entry)}\n`, { flush: true }).catch((error) => {
      throw writeFault(this.#file, error);
    });
  }
}

/** Metrics for JSON: values that are not finite become their names. */
export function metricsToJson(metrics: Case['metrics']): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(metrics).map(([key, value]) => [key, Number.isFinite(value) ? value : String(value)]),
  );
}

/** Reverses `metricsToJson`. */
export function metricsFromJson(metrics: Readonly<Record<string, number | string>>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).map(([key, value]) => [key, Number(value)]));
}
