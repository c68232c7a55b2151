import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OptionError } from '../errors.js';
import { makeFolder, writeFault } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import type { Secrets } from '../mask.js';
import type { Failure } from '../pipeline/events.js';
import { type JournalEntry, journalReader, journalText } from '../pipeline/journal.js';
import { queuedFile } from '../pipeline/openRun.js';
import { parseSpec, type RunSpec } from './spec.js';

/** Cases per folder. */
const perFolder = 1000;

/**
 * The results of a queued run in its output folder, `.voxstream/queue/`: a file for each case that is done
 * (the line that its journal will have) or failed. A file is written aside and renamed once all results of
 * the case are safe, so it does not matter if two workers finish the same case. These files are the truth
 * about the run: if the queue is lost, they remain.
 */
export class Results {
  readonly #folder: string;

  constructor(readonly output: string) {
    this.#folder = join(output, '.voxstream', 'queue');
  }

  /** Removes the results of an earlier run in the folder, and writes the specification of a new one. */
  async start(spec: RunSpec): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await makeFolder(this.#folder).catch((error) => {
      throw writeFault(this.#folder, error);
    });
    await writeFileAside(join(this.#folder, 'spec.json'), `${JSON.stringify(spec, null, 2)}\n`);
    await this.markOpen(spec.name);
  }

  /** The specification of the run. Throws OptionError if there is none. */
  async spec(): Promise<RunSpec> {
    const file = join(this.#folder, 'spec.json');
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text !== undefined) return parseSpec(text, file);
    throw new OptionError(
      `${this.output} is not the output folder of a queued run: it has no ${join('.voxstream', 'queue', 'spec.json')}. ` +
        'Give the folder that "voxstream submit" named.',
    );
  }

  /** Whether the run has been submitted and is neither collected nor cancelled. */
  async isOpen(): Promise<boolean> {
    return stat(join(this.output, queuedFile)).then(
      () => true,
      () => false,
    );
  }

  markOpen(name: string): Promise<void> {
    return writeFileAside(join(this.output, queuedFile), `${name}\n`);
  }

  async markClosed(): Promise<void> {
    await rm(join(this.output, queuedFile), { force: true });
  }

  /** Records a finished case. Results of earlier failures are removed. */
  async done(index: number, entry: JournalEntry, secrets: Secrets): Promise<void> {
    await writeFileAside(this.#file('done', index), `${journalText(entry, secrets)}\n`);
    await this.forgetFailure(index);
  }

  /** Records a failed case. */
  async failed(index: number, failure: Failure): Promise<void> {
    await writeFileAside(this.#file('failed', index), `${JSON.stringify(failure)}\n`);
  }

  async forgetFailure(index: number): Promise<void> {
    await rm(this.#file('failed', index), { force: true });
  }

  /** Whether a case is done. */
  async has(index: number): Promise<boolean> {
    return stat(this.#file('done', index)).then(
      () => true,
      () => false,
    );
  }

  /** All results by the positions of their cases. A case that is done has no failure. */
  async read(secrets: Secrets): Promise<{ done: Map<number, JournalEntry>; failed: Map<number, Failure> }> {
    const readLine = journalReader(secrets);
    const done = new Map<number, JournalEntry>();
    const failed = new Map<number, Failure>();
    for await (const [index, text] of this.#files('done')) {
      const entry = readLine(text);
      if (entry) done.set(index, entry);
    }
    for await (const [index, text] of this.#files('failed')) {
      if (!done.has(index)) failed.set(index, JSON.parse(text));
    }
    return { done, failed };
  }

  /** When the last case ended, in ms since 1970; 0 if none did. */
  async lastChange(): Promise<number> {
    let last = 0;
    for (const kind of ['done', 'failed'] as const) {
      for (const name of await readdir(join(this.#folder, kind)).catch(() => [])) {
        // Its time changes with each file that appears in it.
        const { mtimeMs } = await stat(join(this.#folder, kind, name));
        last = Math.max(last, mtimeMs);
      }
    }
    return last;
  }

  #file(kind: 'done' | 'failed', index: number): string {
    return join(this.#folder, kind, String(Math.floor(index / perFolder)), `${index}.json`);
  }

  async *#files(kind: 'done' | 'failed'): AsyncGenerator<[number, string]> {
    const names = async (path: string) => {
      const found = await readdir(path).catch(() => []);
      return found
        .filter((name) => /^\d+(\.json)?$/.test(name))
        .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    };
    for (const folder of await names(join(this.#folder, kind))) {
      for (const name of await names(join(this.#folder, kind, folder))) {
        const file = join(this.#folder, kind, folder, name);
        yield [Number.parseInt(name, 10), await readFile(file, 'utf8')];
      }
    }
  }
}
