import { join } from 'node:path';
import { joinPlace } from '../address.js';
import { OptionError } from '../errors.js';
import type { Secrets } from '../mask.js';
import type { Failure } from '../pipeline/events.js';
import { type JournalEntry, journalReader, journalText } from '../pipeline/journal.js';
import type { ListedFile } from '../storage/define.js';
import {
  inParallel,
  listPlace,
  readSmall,
  removeFolder,
  removePlace,
  statPlace,
  writePlace,
} from '../storage/places.js';
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

  /** @param output The output folder: an absolute path or an address. */
  constructor(readonly output: string) {
    this.#folder = joinPlace(output, '.voxstream', 'queue');
  }

  /** Removes the results of an earlier run in the folder, and writes the specification of a new one. */
  async start(spec: RunSpec): Promise<void> {
    await removeFolder(this.#folder);
    await this.#write('spec.json', `${JSON.stringify(spec, null, 2)}\n`);
    await this.markOpen(spec.name);
  }

  /** The specification of the run. Throws OptionError if there is none. */
  async spec(): Promise<RunSpec> {
    const file = joinPlace(this.#folder, 'spec.json');
    const text = await readSmall(file);
    if (text !== undefined) return parseSpec(String(text), file);
    throw new OptionError(
      `${this.output} is not the output folder of a queued run: it has no ${join('.voxstream', 'queue', 'spec.json')}. ` +
        'Give the folder that "voxstream submit" named.',
    );
  }

  /** Whether the run has been submitted and is neither collected nor cancelled. */
  async isOpen(): Promise<boolean> {
    return (await statPlace(joinPlace(this.#folder, 'open'))) !== undefined;
  }

  markOpen(name: string): Promise<void> {
    return this.#write('open', `${name}\n`);
  }

  markClosed(): Promise<void> {
    return removePlace(joinPlace(this.#folder, 'open'));
  }

  /** Records a finished case. Results of earlier failures are removed. */
  async done(index: number, entry: JournalEntry, secrets: Secrets): Promise<void> {
    await this.#write(fileOf('done', index), `${journalText(entry, secrets)}\n`);
    await this.forgetFailure(index);
  }

  /** Records a failed case. */
  failed(index: number, failure: Failure): Promise<void> {
    return this.#write(fileOf('failed', index), `${JSON.stringify(failure)}\n`);
  }

  forgetFailure(index: number): Promise<void> {
    return removePlace(joinPlace(this.#folder, fileOf('failed', index)));
  }

  /** Whether a case is done. */
  async has(index: number): Promise<boolean> {
    return (await statPlace(joinPlace(this.#folder, fileOf('done', index)))) !== undefined;
  }

  /** All results by the positions of their cases. A case that is done has no failure. */
  async read(secrets: Secrets): Promise<{ done: Map<number, JournalEntry>; failed: Map<number, Failure> }> {
    const done = new Map<number, JournalEntry>();
    const failed = new Map<number, Failure>();
    for (const [index, text] of await this.#texts('done')) {
      // Each line describes its columns.
      const entry = journalReader(secrets)(text);
      if (entry) done.set(index, entry);
    }
    for (const [index, text] of await this.#texts('failed')) {
      if (!done.has(index)) failed.set(index, JSON.parse(text));
    }
    return { done, failed };
  }

  /** When the last case ended, in ms since 1970; 0 if none did. */
  async lastChange(): Promise<number> {
    const all = (await Promise.all([this.#list('done'), this.#list('failed')])).flat();
    return all.reduce((last, { modified }) => Math.max(last, modified), 0);
  }

  #write(name: string, text: string): Promise<void> {
    return writePlace(joinPlace(this.#folder, name), Buffer.from(text));
  }

  async #list(kind: Kind): Promise<(ListedFile & { readonly index: number })[]> {
    const found = (await listPlace(joinPlace(this.#folder, kind))).flatMap((file) => {
      const index = /(?:^|[\\/])(\d+)\.json$/.exec(file.path)?.[1];
      return index === undefined ? [] : [{ ...file, index: Number(index) }];
    });
    return found.sort((a, b) => a.index - b.index);
  }

  async #texts(kind: Kind): Promise<[number, string][]> {
    const files = await this.#list(kind);
    const texts: [number, string][] = [];
    await inParallel(files.entries(), async ([at, { path, index }]) => {
      texts[at] = [index, String((await readSmall(path)) ?? '')];
    });
    return texts;
  }
}

type Kind = 'done' | 'failed';

/** Where the result of a case is. */
function fileOf(kind: Kind, index: number): string {
  return `${kind}/${Math.floor(index / perFolder)}/${index}.json`;
}
