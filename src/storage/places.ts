import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isAddress, nameInside, shownPlace } from '../address.js';
import { DataError, OptionError, show } from '../errors.js';
import { findFile } from '../formats/archives.js';
import { readFault, writeAside } from '../formats/aside.js';
import type { OpenFile } from '../formats/openFile.js';
import type { FileInfo, ListedFile, NewContent } from './define.js';
import { storageOf } from './index.js';
import { continued, retried } from './retry.js';
import { tarIndexAt } from './tar.js';

/** Where the bytes of a file at an address are: in an object, or in a member of a tar archive. */
export interface RemotePlace extends FileInfo {
  /** The address of the object. */
  readonly address: string;
  /** Its first byte in the object. */
  readonly offset: number;
  /** The tag of the object. */
  readonly tag?: string;
}

/** The size and state of a file at an address, which may fail once; undefined if there is none. */
export function statAddress(address: string): Promise<FileInfo | undefined> {
  return retried(() => storageOf(address).stat(address));
}

/** The part of an address that names a tar archive, and the member that follows it. */
function tarMember(address: string): { readonly archive: string; readonly name: string } | undefined {
  const [, archive, name] = /^(.*?\.tar)\/([^?#]+)/i.exec(address) ?? [];
  return archive && name ? { archive, name } : undefined;
}

/**
 * Finds a file at an address. One that continues after a tar archive,
 * `s3://bucket/set.tar/imagesTr/ct.nii.gz`, means that member. Only the headers of the archive are read.
 * Undefined if there is no such file.
 */
export async function findAddress(address: string): Promise<RemotePlace | undefined> {
  const inTar = tarMember(address);
  if (inTar) {
    const { archive, name } = inTar;
    const found = await tarIndexAt(archive);
    const member = found?.index.get(name) ?? found?.index.get(decodeURIComponent(name));
    if (member) return { address: archive, ...member, ...(found?.info.tag && { tag: found.info.tag }) };
    if (found) return undefined;
  }
  const info = await statAddress(address);
  return info && { address, offset: 0, ...info };
}

/** The size and time of a file; of one in an archive, too. Undefined if there is none. */
export async function statPlace(place: string): Promise<FileInfo | undefined> {
  if (isAddress(place)) return findAddress(place);
  const found = await findFile(place).catch((error) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw readFault(place, error);
  });
  return found && { size: found.size, modified: found.modified };
}

/** Streams the bytes of a file. If the connection breaks off, it continues from there. */
export async function* readAddress(
  { address, offset, size, tag }: RemotePlace,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const [start, end] = [offset, offset + size];
  yield* continued(
    { start, end },
    shownPlace(address),
    (from, either) => storageOf(address).read(address, { start: from, end, ...(tag && { tag }) }, either),
    signal,
  );
}

/** Opens a file at an address, for readers of formats. Each call of `read` is a request. */
export function openAddress(place: RemotePlace): OpenFile {
  const part = (at: number, bytes: number): RemotePlace => ({
    ...place,
    offset: place.offset + at,
    size: Math.max(0, Math.min(bytes, place.size - at)),
  });
  return {
    size: place.size,
    async read(into, at) {
      let length = 0;
      for await (const chunk of readAddress(part(at, into.length))) {
        into.set(chunk, length);
        length += chunk.length;
      }
      return length;
    },
    stream: (at) => Readable.from(readAddress(part(at, place.size)), { objectMode: false }),
  };
}

/** Brings a file from an address to a path, where it appears whole or not at all. False if there is none. */
export async function download(address: string, path: string): Promise<boolean> {
  const found = await findAddress(address);
  if (!found) return false;
  await writeAside(path, (temporary) => pipeline(readAddress(found), createWriteStream(temporary)));
  return true;
}

/**
 * The content of a small file at a path or an address; undefined if there is none.
 *
 * @param mostBytes Larger files are refused.
 */
export async function readSmall(place: string, mostBytes = 2 ** 27): Promise<Buffer | undefined> {
  const storage = storageOf(place);
  const found = isAddress(place) ? await findAddress(place) : await withOffset(place);
  if (!found) return undefined;
  if (found.size > mostBytes) {
    throw new DataError(
      `${shownPlace(place)} has ${found.size} bytes, but at most ${mostBytes} were expected.`,
    );
  }
  const chunks: Uint8Array[] = [];
  if (isAddress(place)) for await (const chunk of readAddress(found)) chunks.push(chunk);
  else if (found.size > 0) {
    for await (const chunk of await storage.read(place, { start: 0, end: found.size })) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function withOffset(path: string): Promise<RemotePlace | undefined> {
  const info = await storageOf(path).stat(path);
  return info && { address: path, offset: 0, ...info };
}

/**
 * Lists the files in a folder and in all folders below it, sorted by path.
 *
 * @throws OptionError where there are no listings, as on web servers; DataError for a name that leads out of
 * the folder.
 */
export async function listPlace(folder: string): Promise<ListedFile[]> {
  const { list } = storageOf(folder);
  if (!list) {
    throw new OptionError(
      `${shownPlace(folder)} cannot be listed: web servers have no listings. Give a data list (JSON or CSV), a dataset ` +
        'with dataset.json that lists its cases, or a .tar file.',
    );
  }
  const found = await retried(async () => {
    const files: ListedFile[] = [];
    for await (const file of list(folder)) {
      checkName(folder, file.path);
      files.push(file);
    }
    return files;
  });
  return found.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** Copies of files get their names inside of the folder. The keys of a bucket may be any text. */
function checkName(folder: string, path: string): void {
  if (!isAddress(path) || !nameInside(folder, path)?.split(/[\\/]/).includes('..')) return;
  throw new DataError(
    `${shownPlace(folder)} contains ${show(shownPlace(path))}, whose name leads out of the folder. Remove or rename it.`,
  );
}

/** Writes a file that appears whole or not at all. */
export async function writePlace(place: string, content: NewContent): Promise<void> {
  const { write } = storageOf(place);
  if (!write) {
    throw new OptionError(
      `${shownPlace(place)} cannot be written: web servers are read only. Give a folder or s3://….`,
    );
  }
  await retried(() => write(place, content));
}

/** Removes a file, if there is one. */
export async function removePlace(place: string): Promise<void> {
  const { remove } = storageOf(place);
  if (remove) await retried(() => remove(place));
}

/**
 * The names of the files that are directly in a folder. Empty where there are no listings, as on web servers.
 */
export async function namesInFolder(folder: string): Promise<string[]> {
  if (!storageOf(folder).list) return [];
  const names = (await listPlace(folder)).map(({ path }) => nameInside(folder, path) ?? '');
  return names.filter((name) => name !== '' && !name.includes('/'));
}

/** Removes a folder with all files in it. */
export async function removeFolder(folder: string): Promise<void> {
  if (!isAddress(folder)) await rm(folder, { recursive: true, force: true });
  else await inParallel(await listPlace(folder), ({ path }) => removePlace(path));
}

/** Transfers at the same time. */
const atOnce = 8;

/** Calls `work` for each of many files, some at a time. */
export async function inParallel<T>(all: Iterable<T>, work: (one: T) => Promise<void>): Promise<void> {
  const waiting = all[Symbol.iterator]();
  const lane = async () => {
    for (let next = waiting.next(); !next.done; next = waiting.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}
