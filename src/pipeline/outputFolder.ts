import { createHash } from 'node:crypto';
import { readFile, rm, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { absolutePlace, isAddress, joinPlace, nameInside } from '../address.js';
import { makeFolder, writeFault } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { temporaryFolder } from '../formats/temporaryFolder.js';
import { cacheFolder } from '../machine.js';
import type { Secrets } from '../mask.js';
import { disk } from '../storage/disk.js';
import { inParallel, listPlace, readSmall, removePlace, statPlace, writePlace } from '../storage/places.js';
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
    sendRest: async () => {},
    release: () => lock.release(),
  };
}

/** Files of the run's state that are read at the start. */
const stateFiles = ['journal.jsonl', 'targets.json', 'cases.json'].map((name) => `.voxstream/${name}`);

/** The largest of them that is read: a journal has 1 to 2 KB for each case. */
const mostStateBytes = 2 ** 29;

/** The folder with a line of the journal for each case that ended since the journal was sent. */
const linesFolder = '.voxstream/journal/';

async function openRemote(place: string, { shared, ...options }: OutputOptions): Promise<OutputFolder> {
  const lock = shared ? unlocked : await lockAddress(place, options);
  const parent = join(cacheFolder(), 'outputs');
  await makeFolder(parent);
  const { path, remove } = await temporaryFolder('output', parent);
  const addressOf = (name: string) => joinPlace(place, ...name.split('/'));
  const nameOf = (file: string) => relative(path, file).split(sep).join('/');
  const isOurs = (file: string) => file.startsWith(path + sep);
  const origin = (file: string) => (isOurs(file) ? addressOf(nameOf(file)) : file);
  try {
    const listed = shared ? [] : await listPlace(place);
    const there = new Map(listed.map((file) => [nameInside(place, file.path) ?? '', file]));
    /** Files of the folder that were sent, and their states here. */
    const sent = new Map<string, string>();
    const mark = async (file: string) => {
      const { size, mtimeMs } = await stat(file);
      return `${size} ${mtimeMs}`;
    };
    const send = async (file: string) => {
      const state = await mark(file);
      if (sent.get(file) === state) return;
      await writePlace(origin(file), { file });
      sent.set(file, state);
    };
    const bring = (paths: readonly string[]) =>
      inParallel(
        paths.filter((file) => there.has(nameOf(file))),
        async (file) => {
          const content = await readSmall(origin(file), mostStateBytes);
          if (!content) return;
          await writeFileAside(file, content);
          sent.set(file, await mark(file));
        },
      );
    await bring(stateFiles.map((name) => join(path, name)));
    const lines = [...there.keys()].filter((name) => name.startsWith(linesFolder));
    await addLines(join(path, '.voxstream/journal.jsonl'), lines.map(addressOf));
    return {
      path,
      place,
      lost: lock.lost,
      origin,
      wasThere: (file) => there.has(nameOf(file)),
      bring,
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
          await send(file);
          const found = await statPlace(origin(file));
          const { modified = 0, tag } = found ?? {};
          const { size = -1, sha256 } = here.get(file) ?? {};
          const identity = { ...(tag && { tag }), ...(sha256 && { sha256 }) };
          states[i] = { path: origin(file), size, modified, ...identity };
        });
        const stays = new Set(kept);
        for (const file of paths) if (!stays.has(file)) await rm(file, { force: true });
        return states;
      },
      saveLine: (id, line) => {
        const name = `${linesFolder}${createHash('sha256').update(id).digest('hex').slice(0, 32)}.json`;
        lines.push(name);
        return writePlace(addressOf(name), Buffer.from(line));
      },
      async sendRest(targets) {
        const files: string[] = [];
        for await (const file of disk.list?.(path) ?? []) files.push(file.path);
        await inParallel(files, send);
        const present = new Set(files);
        for (const target of targets) if (!present.has(target)) await removePlace(origin(target));
        // The journal has them now.
        await inParallel(lines.splice(0), (name) => removePlace(addressOf(name)));
      },
      async release() {
        await remove();
        await lock.release();
      },
    };
  } catch (error) {
    await remove();
    await lock.release();
    throw error;
  }
}

/** The number of finished cases of earlier runs in a folder. */
export async function countFinished(place: string, secrets: Secrets): Promise<number> {
  if (!isAddress(place)) return (await new Journal(place, secrets).read()).size;
  const journal = String(
    (await readSmall(joinPlace(place, '.voxstream', 'journal.jsonl'), mostStateBytes)) ?? '',
  );
  const lines = await listPlace(joinPlace(place, linesFolder));
  return journal.split('\n').filter(Boolean).length + lines.length;
}

/** Adds lines at addresses to a journal. */
async function addLines(journal: string, addresses: readonly string[]): Promise<void> {
  if (addresses.length === 0) return;
  const lines: string[] = [];
  await inParallel(addresses.entries(), async ([i, address]) => {
    lines[i] = String((await readSmall(address)) ?? '');
  });
  const text = await readFile(journal, 'utf8').catch(() => '');
  await writeFileAside(journal, `${[text, ...lines].join('\n')}\n`);
}
