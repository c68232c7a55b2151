import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { absolutePlace, isAddress, joinPlace, nameInside } from '../address.js';
import { makeFolder, writeFault } from '../formats/aside.js';
import type { Secrets } from '../mask.js';
import { inParallel, listPlace, readSmall, statPlace, writePlace } from '../storage/places.js';
import { FolderCopy, linesFolder } from './folderCopy.js';
import { type FileState, Journal, stateOf } from './journal.js';
import { type FolderLock, type LockOptions, lockFolder } from './lock.js';
import { lockAddress } from './remoteLock.js';

/** The folder of a run. Sinks write to a folder on this machine; one at an address is a copy of it. */
export interface OutputFolder {
  /** The folder on this machine: an absolute path. */
  readonly path: string;
  /** What the user gave: an absolute path or an address. */
  readonly place: string;
  /** Aborted if the lock on the folder is lost. */
  readonly lost: AbortSignal;
  /** Where a file of the folder is for others: its path, or its address. */
  readonly origin: (path: string) => string;
  /** Whether a file was there when the folder was opened; undefined if the disk has to be asked. */
  readonly wasThere?: (path: string) => boolean;
  /** The states of files of earlier runs. */
  readonly states: (places: readonly string[], contents?: boolean) => Promise<FileState[]>;
  /**
   * Makes the files of a case safe, and returns their states. Of files that were sent elsewhere, only `kept`
   * stay here.
   */
  readonly save: (
    paths: readonly string[],
    kept: readonly string[],
    contents?: boolean,
  ) => Promise<FileState[]>;
  /** Records a finished case at once; see `Journal`. Undefined if the journal itself is safe. */
  readonly saveLine?: (id: string, line: string) => Promise<void>;
  /** Brings files of earlier runs here. */
  readonly bring: (paths: readonly string[]) => Promise<void>;
  /**
   * Brings all files of earlier runs here, apart from the state of a run. `sendRest` then removes those
   * elsewhere that were removed here.
   */
  readonly mirror: () => Promise<void>;
  /** Sends all other files. Of `targets`, those that do not exist here are removed elsewhere, too. */
  readonly sendRest: (targets: readonly string[]) => Promise<void>;
  readonly release: () => Promise<void>;
}

/** How a run's folder is opened. */
export interface OutputOptions extends LockOptions {
  /** Whether other processes may write to the folder at the same time, as workers of a queue do. */
  readonly shared?: boolean;
}

/** Locks and opens the folder of a run, which is created if it does not exist. Throws VoxError. */
export function openOutput(place: string, options: OutputOptions = {}): Promise<OutputFolder> {
  return isAddress(place) ? openRemote(place, options) : openLocal(absolutePlace(place), options);
}

const unlocked: FolderLock = { lost: new AbortController().signal, release: async () => {} };

async function openLocal(path: string, { shared, ...options }: OutputOptions): Promise<OutputFolder> {
  await makeFolder(path).catch((error) => {
    throw writeFault(path, error);
  });
  const lock = shared ? unlocked : await lockFolder(path, options);
  return {
    path,
    place: path,
    lost: lock.lost,
    origin: (file) => file,
    states: stateOf,
    save: (paths, _, contents) => stateOf(paths, contents),
    bring: async () => {},
    mirror: async () => {},
    sendRest: async () => {},
    release: () => lock.release(),
  };
}

/** Files of the run's state that are read at the start. */
const stateFiles = ['journal.jsonl', 'targets.json', 'cases.json'].map((name) => `.voxstream/${name}`);

async function openRemote(place: string, { shared, ...options }: OutputOptions): Promise<OutputFolder> {
  const lock = shared ? unlocked : await lockAddress(place, options);
  let copy: FolderCopy | undefined;
  const release = async () => {
    await copy?.remove();
    await lock.release();
  };
  try {
    copy = await FolderCopy.make(place, { listed: !shared });
    await copy.bring(stateFiles);
    const lines = await copy.bringLines();
    return { ...folderOf(copy, lines, shared ?? false), lost: lock.lost, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** @param lines The names of lines of the journal that are objects. */
function folderOf(
  copy: FolderCopy,
  lines: string[],
  shared: boolean,
): Omit<OutputFolder, 'lost' | 'release'> {
  const { path, place, there } = copy;
  /** Files of the folder that were all brought here. */
  let mirrored: readonly string[] = [];
  return {
    path,
    place,
    origin: (file) => copy.origin(file),
    wasThere: (file) => there.has(copy.nameOf(file)),
    bring: (paths) => copy.bring(paths.map((file) => copy.nameOf(file))),
    async mirror() {
      mirrored = [...there.keys()].filter((name) => !name.startsWith('.voxstream/'));
      await copy.bring(mirrored);
    },
    states: (places, contents = false) =>
      contents || shared
        ? stateOf(places, contents)
        : Promise.resolve(
            places.map((file) => {
              const found = there.get(nameInside(place, file) ?? '');
              const { size = -1, modified = 0, tag } = found ?? {};
              return { path: file, size, modified, ...(tag && { tag }) };
            }),
          ),
    async save(paths, kept, contents) {
      const here = new Map((await stateOf(paths, contents)).map((state) => [state.path, state]));
      const states: FileState[] = [];
      await inParallel(paths.entries(), async ([i, file]) => {
        await copy.send(file);
        const origin = copy.origin(file);
        const found = await statPlace(origin);
        const { modified = 0, tag } = found ?? {};
        const { size = -1, sha256 } = here.get(file) ?? {};
        states[i] = { path: origin, size, modified, ...(tag && { tag }), ...(sha256 && { sha256 }) };
      });
      const stays = new Set(kept);
      for (const file of paths) if (!stays.has(file)) await rm(file, { force: true });
      return states;
    },
    saveLine: (id, line) => {
      const name = `${linesFolder}${createHash('sha256').update(id).digest('hex').slice(0, 32)}.json`;
      lines.push(name);
      return writePlace(copy.addressOf(name), Buffer.from(line));
    },
    async sendRest(targets) {
      const present = new Set((await copy.sendAll()).map((file) => copy.nameOf(file)));
      const gone = [...targets.map((file) => copy.nameOf(file)), ...mirrored];
      for (const name of gone) if (!present.has(name)) await copy.removeThere(name);
      mirrored = mirrored.filter((name) => present.has(name));
      // The journal has them now.
      await inParallel(lines.splice(0), (name) => copy.removeThere(name));
    },
  };
}

/** The number of finished cases of earlier runs in a folder. */
export async function countFinished(place: string, secrets: Secrets): Promise<number> {
  if (!isAddress(place)) return (await new Journal(place, secrets).read()).size;
  const journal = String((await readSmall(joinPlace(place, '.voxstream', 'journal.jsonl'), 2 ** 29)) ?? '');
  const lines = await listPlace(joinPlace(place, linesFolder));
  return journal.split('\n').filter(Boolean).length + lines.length;
}
