import { createHash } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Case } from '../case.js';
import { makeFolder, writeFault } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { findFile } from '../formats/tar.js';

/** A file as it was: enough to see that it changed. */
export interface FileState {
  readonly path: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** What is remembered of a case that ended well. */
export interface JournalEntry {
  readonly case: string;
  /** The version of voxstream. */
  readonly version: string;
  /** What the case went through: steps, sinks, models. */
  readonly pipeline: string;
  readonly inputs: readonly FileState[];
  readonly outputs: readonly FileState[];
  readonly metrics: Readonly<Record<string, number | string>>;
  readonly timings: Readonly<Record<string, number>>;
  /** Where each of its volumes lies, by key: the file it was read from, else the one it was saved to. Absolute paths. */
  readonly volumes: Readonly<Record<string, string>>;
  readonly labelNames?: Readonly<Record<number, string>>;
}

/** The state of files now; a missing one has size -1. */
export async function stateOf(paths: readonly string[]): Promise<FileState[]> {
  return Promise.all(
    paths.map(async (path) => {
      const found = await findFile(path).catch(() => undefined);
      return { path, size: found?.size ?? -1, modified: found?.modified ?? 0 };
    }),
  );
}

/** The first of `then` that is not as `now` has it; undefined when all are the same. */
export function changedFile(then: readonly FileState[], now: readonly FileState[]): FileState | undefined {
  return then.find(
    ({ path, size, modified }) =>
      !now.some((file) => file.path === path && file.size === size && file.modified === modified),
  );
}

/** A name for what a pipeline does to a case; another pipeline, other options or another model give another. */
export function fingerprint(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/**
 * The list of finished cases in a run's folder (`.voxstream/journal.jsonl`, one JSON line each). A line is appended once
 * all results of a case are safe, so what it lists survives a crash; a last line that was cut short is ignored.
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
        // Cut short by a crash: that case is done again.
      }
    }
    return entries;
  }

  /** Begins anew with the entries that still hold. */
  async start(entries: Iterable<JournalEntry>): Promise<void> {
    await makeFolder(dirname(this.#file)).catch((error) => {
      throw writeFault(this.#file, error);
    });
    await writeFileAside(this.#file, [...entries].map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  }

  async append(entry: JournalEntry): Promise<void> {
    // A line break before as well: a former append that was cut short must not swallow this one.
    await appendFile(this.#file, `\n${JSON.stringify(entry)}\n`, { flush: true }).catch((error) => {
      throw writeFault(this.#file, error);
    });
  }
}

/** Metrics as JSON can hold them: what is not finite becomes its name. */
export function metricsToJson(metrics: Case['metrics']): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(metrics).map(([key, value]) => [key, Number.isFinite(value) ? value : String(value)]),
  );
}

/** The metrics that `metricsToJson` wrote. */
export function metricsFromJson(metrics: Readonly<Record<string, number | string>>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).map(([key, value]) => [key, Number(value)]));
}
