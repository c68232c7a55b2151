import { readdir, readFile, stat } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import { joinPlace, nameInside } from '../address.js';
import { makeFolder, partialSuffix } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { temporaryFolder } from '../formats/temporaryFolder.js';
import { cacheFolder } from '../machine.js';
import type { ListedFile } from '../storage/define.js';
import { download, inParallel, listPlace, readSmall, removePlace, writePlace } from '../storage/places.js';

/** The folder with a line of the journal for each case that ended since the journal was sent. */
export const linesFolder = '.voxstream/journal/';

/** A copy of a folder at an address, on this machine. Names are those inside of the folder, with `/`. */
export class FolderCopy {
  /** Files that are the same at the address, and their states here. */
  readonly #same = new Map<string, string>();

  private constructor(
    /** The address. */
    readonly place: string,
    /** The folder of the copy. */
    readonly path: string,
    /**
     * The files that were at the address when the copy was made, by their names. Objects that no file of the
     * copy stands for are left out, e.g. with a key such as `a//b`.
     */
    readonly there: ReadonlyMap<string, ListedFile>,
    /** Removes the copy. */
    readonly remove: () => Promise<void>,
  ) {}

  /** Makes an empty copy. Without `listed`, it does not know which files are at the address. */
  static async make(place: string, { listed }: { readonly listed: boolean }): Promise<FolderCopy> {
    const files = listed ? await listPlace(place) : [];
    const parent = join(cacheFolder(), 'outputs');
    await makeFolder(parent);
    const { path, remove } = await temporaryFolder('output', parent);
    const named = files.map((file) => [nameInside(place, file.path) ?? '', file] as const);
    const there = new Map(named.filter(([name]) => isFileName(name)));
    return new FolderCopy(place, path, there, remove);
  }

  addressOf(name: string): string {
    return joinPlace(this.place, ...name.split('/'));
  }

  /** The name of a file of the copy. */
  nameOf(file: string): string {
    return relative(this.path, file).split(sep).join('/');
  }

  /** The address of a file of the copy; other paths stay as they are. */
  origin(file: string): string {
    return file.startsWith(this.path + sep) ? this.addressOf(this.nameOf(file)) : file;
  }

  /** Brings those of some files here that are at the address. */
  bring(names: Iterable<string>): Promise<void> {
    return this.tryToBring([...names].filter((name) => this.there.has(name)));
  }

  /** The same without a listing: asks for each of the files. */
  async tryToBring(names: readonly string[]): Promise<void> {
    await inParallel(names, async (name) => {
      const file = join(this.path, ...name.split('/'));
      if (await download(this.addressOf(name), file)) this.#same.set(file, await this.#stateOf(file));
    });
  }

  /** Adds the lines of cases that ended after the journal was sent to the copy of it. */
  async bringLines(): Promise<string[]> {
    const names = [...this.there.keys()].filter((name) => name.startsWith(linesFolder));
    if (names.length === 0) return names;
    const lines: string[] = [];
    await inParallel(names.entries(), async ([i, name]) => {
      lines[i] = String((await readSmall(this.addressOf(name))) ?? '');
    });
    const journal = join(this.path, '.voxstream', 'journal.jsonl');
    const text = await readFile(journal, 'utf8').catch(() => '');
    await writeFileAside(journal, `${[text, ...lines].join('\n')}\n`);
    return names;
  }

  /** Writes a file of the copy to the address, unless it is there already. */
  async send(file: string): Promise<void> {
    const state = await this.#stateOf(file);
    if (this.#same.get(file) === state) return;
    await writePlace(this.origin(file), { file });
    this.#same.set(file, state);
  }

  /** Writes all files of the copy to the address, and returns their paths. Throws if it cannot be listed. */
  async sendAll(): Promise<string[]> {
    const entries = await readdir(this.path, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile() && !entry.name.endsWith(partialSuffix))
      .map((entry) => join(entry.parentPath, entry.name));
    await inParallel(files, (file) => this.send(file));
    return files;
  }

  /** Removes a file at the address. */
  async removeThere(name: string): Promise<void> {
    await removePlace(this.addressOf(name));
  }

  async #stateOf(file: string): Promise<string> {
    const { size, mtimeMs } = await stat(file);
    return `${size} ${mtimeMs}`;
  }
}

/** Whether a name is that of a whole file: a path of it has no other name. */
function isFileName(name: string): boolean {
  return name !== '' && posix.normalize(name) === name && !name.endsWith(partialSuffix);
}
