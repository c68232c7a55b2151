import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { link, readdir, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { nameOf, shownPlace, unsignedPlace } from '../address.js';
import { DataError, OptionError, show } from '../errors.js';
import { makeFolder, writeFault } from '../formats/aside.js';
import { cacheFolder } from '../machine.js';
import { parseBytes, smallSizeFault } from '../optionTypes.js';
import type { FileInfo } from './define.js';
import { findAddress, type RemotePlace, readAddress } from './places.js';

/** A file from elsewhere that is on this machine. */
export interface LocalCopy {
  readonly path: string;
  /** Its state where it comes from. */
  readonly info: FileInfo;
  /** Gives it back: the cache may then remove it. */
  readonly release: () => Promise<void>;
}

/** Where the copies that are in use come from, by their paths. */
const origins = new Map<string, CopyOrigin>();

/** Where a copy comes from, and its state there. */
export interface CopyOrigin extends FileInfo {
  readonly address: string;
}

/** Where a path comes from; undefined for one that is not a copy in use. */
export function originOfCopy(path: string): CopyOrigin | undefined {
  return origins.get(path);
}

/** Bytes that the cache may take by default. */
const usualLimit = 20 * 2 ** 30;

/**
 * The most bytes of files in the cache that are not in use: `VOXSTREAM_CACHE_SIZE`, e.g. 50GiB. Default: 20
 * GiB.
 *
 * @throws OptionError if the variable is not a size.
 */
function limit(): number {
  const text = process.env['VOXSTREAM_CACHE_SIZE'];
  if (!text) return usualLimit;
  const bytes = parseBytes(text);
  const fault = bytes === undefined ? 'a size' : bytes > 0 ? smallSizeFault(bytes, 1024) : undefined;
  if (bytes === undefined || fault) {
    throw new OptionError(
      `VOXSTREAM_CACHE_SIZE is ${show(text)}, but it must be ${fault}, e.g. 50GiB, or 0 for no cache.`,
    );
  }
  return bytes;
}

const folder = () => join(cacheFolder(), 'files');

/** Copies in use, in a folder for each: hard links, so that the cache may drop a file while it is read. */
const openFolder = () => join(folder(), 'open');

/** Downloads of this process in progress, by the path of the cached file. */
const loading = new Map<string, Promise<void>>();

/**
 * Brings a file from an address here, unless the cache has it. Files of the cache that were not used for the
 * longest time are removed when it becomes too large. Several processes may share the cache.
 *
 * @throws StorageFault or DataError if it cannot be had.
 */
export async function localCopy(address: string, signal?: AbortSignal): Promise<LocalCopy> {
  const { archive, member } = inZip(address);
  refuseDetached(archive);
  const found = await findAddress(archive);
  if (!found)
    throw new DataError(`${shownPlace(archive)} cannot be read: there is no such file; check the address.`);
  const own = join(openFolder(), `${hostname()}-${process.pid}-${randomBytes(6).toString('hex')}`);
  const path = join(own, nameOf(archive));
  const copy = member === '' ? path : join(path, member);
  const release = async () => {
    origins.delete(copy);
    await rm(own, { recursive: true, force: true });
  };
  try {
    await cleanOnce();
    await makeFolder(own);
    await bring(found, join(folder(), keyOf(found)), path, signal);
  } catch (error) {
    await release();
    throw signal?.aborted ? error : writeFault(path, error);
  }
  const { size, modified } = found;
  const tag = isDated(found) ? found.tag : await contentTag(path);
  const info = { size, modified, ...(tag && { tag }) };
  origins.set(copy, { address, ...info });
  return { path: copy, info, release };
}

/** Whether a later version can be recognized. Some servers state neither a tag nor a time. */
function isDated({ tag, modified }: FileInfo): boolean {
  return tag !== undefined || modified > 0;
}

async function contentTag(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Puts a file at a path: from the cache, else from its address, and then into the cache, too. */
async function bring(place: RemotePlace, cached: string, path: string, signal?: AbortSignal): Promise<void> {
  if (await linked(cached, path)) return;
  // Others of this process may be downloading it. If that fails, or was abandoned, this one tries itself.
  await loading.get(cached)?.catch(() => {});
  if (await linked(cached, path)) return;
  const work = (async () => {
    await pipeline(readAddress(place, signal), createWriteStream(path));
    if (isDated(place)) await keep(path, cached);
  })();
  loading.set(cached, work);
  await work.finally(() => loading.delete(cached));
  await shrink(place.size);
}

/** Puts a file into the cache, where the file system has hard links. */
async function keep(path: string, cached: string): Promise<void> {
  await link(path, cached).catch((error: NodeJS.ErrnoException) => {
    if (!noLinks.has(error.code ?? '')) throw error;
  });
}

/** Codes of file systems without hard links, and of a file that another process has put there meanwhile. */
const noLinks = new Set(['EEXIST', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV']);

/** A zip archive in an address, and the member that follows it. A zip is brought here as a whole. */
function inZip(address: string): { readonly archive: string; readonly member: string } {
  const [, archive = address, member = ''] = /^(.*?\.zip)\/(.+)$/i.exec(address) ?? [];
  return { archive, member };
}

/** Throws DataError for a header whose voxels are in another file. */
function refuseDetached(address: string): void {
  const [ending] = /\.(mhd|nhdr|hdr)$/i.exec(nameOf(address)) ?? [];
  if (!ending) return;
  throw new DataError(
    `${shownPlace(address)} is a header whose voxels are in another file, which can only be read from a disk. Copy both ` +
      'to a disk, or store the image in one file (.nii.gz, .mha, .nrrd).',
  );
}

function keyOf({ address, offset, size, modified, tag }: RemotePlace): string {
  const parts = [unsignedPlace(address), offset, size, tag ?? modified];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Makes a link to a cached file, and notes that it was used. Returns whether the cache had it. */
async function linked(cached: string, path: string): Promise<boolean> {
  try {
    await link(cached, path);
    const now = new Date();
    await utimes(path, now, now);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Bytes in the cache as far as this process knows, and files that it has added since it looked. */
const known = { bytes: Number.POSITIVE_INFINITY, added: 0 };

/** Removes the files of the cache that were not used for the longest time, if it is too large. */
async function shrink(added: number): Promise<void> {
  const most = limit();
  known.bytes += added;
  known.added++;
  // Other processes add files, too.
  if (known.bytes <= most && known.added < 64) return;
  const files: { readonly path: string; readonly size: number; readonly used: number }[] = [];
  for (const name of await readdir(folder())) {
    const path = join(folder(), name);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) files.push({ path, size: found.size, used: found.mtimeMs });
  }
  let bytes = files.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size } of files.sort((a, b) => a.used - b.used)) {
    if (bytes <= most) break;
    await rm(path, { force: true });
    bytes -= size;
  }
  Object.assign(known, { bytes, added: 0 });
}

let cleaning: Promise<void> | undefined;

/** Removes what killed processes of this machine left behind, once per process. */
function cleanOnce(): Promise<void> {
  cleaning ??= (async () => {
    for (const name of await readdir(openFolder()).catch(() => [])) {
      const [, host, pid] = /^(.+)-(\d+)-[0-9a-f]{12}$/.exec(name) ?? [];
      if (host !== hostname() || isAlive(Number(pid))) continue;
      await rm(join(openFolder(), name), { recursive: true, force: true });
    }
  })();
  return cleaning;
}

/** Whether this machine has a process of a number. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
