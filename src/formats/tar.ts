import { type FileHandle, open, stat } from 'node:fs/promises';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { DataError, showBytes } from '../errors.js';
import { readFault } from './aside.js';

/** Where the bytes of a file are: in a file on disk, or inside a tar archive. */
export interface FilePlace {
  /** The file to open. */
  readonly file: string;
  /** Its first byte in that file. */
  readonly offset: number;
  readonly size: number;
  /**
   * Modification time in milliseconds since 1970; for a member of an archive, the one noted in the archive.
   */
  readonly modified: number;
}

/** A regular file in a tar archive. */
export type TarMember = Omit<FilePlace, 'file'>;

/** The regular files of a tar archive by name, without a leading `./`. */
export type TarIndex = ReadonlyMap<string, TarMember>;

interface Indexed {
  /** Size and modification time of the archive when it was indexed. */
  readonly state: string;
  readonly index: TarIndex;
}

const block = 512;

/** Where worker threads find the indexes that their parent has read. */
const shareKey = 'voxstream tar indexes';

let indexes: Map<string, Indexed> | undefined;

/**
 * Where a file's bytes are. A path that continues after a tar archive,
 * `Task09_Spleen.tar/Task09_Spleen/dataset.json`, means that member of the archive. Undefined if there is no
 * such file or member.
 *
 * @throws DataError for an archive that is damaged or compressed, and the system's error if the path cannot
 * be examined.
 */
export async function findFile(path: string): Promise<FilePlace | undefined> {
  for (const match of path.matchAll(/\.tar(?=[\\/])/gi)) {
    const archive = path.slice(0, match.index + match[0].length);
    if (!(await stat(archive).catch(() => undefined))?.isFile()) continue;
    const name = path.slice(archive.length + 1).replaceAll('\\', '/');
    const member = (await indexTar(archive)).get(name);
    return member && { file: archive, ...member };
  }
  try {
    const { size, mtimeMs } = await stat(path);
    return { file: path, offset: 0, size, modified: mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * The regular files of a tar archive (ustar, GNU, pax). Only its headers are read. The index is kept as long
 * as the archive does not change, and passed on to worker threads that start later. macOS `._*` files and
 * names that would leave the folder are ignored; a hard link is the file that it names.
 *
 * @throws DataError if it is not such an archive, or is cut off.
 */
export async function indexTar(archive: string): Promise<TarIndex> {
  indexes ??= (getEnvironmentData(shareKey) as Map<string, Indexed> | undefined) ?? new Map();
  try {
    const { size, mtimeMs } = await stat(archive);
    const state = `${size} ${mtimeMs}`;
    const known = indexes.get(archive);
    if (known?.state === state) return known.index;
    const handle = await open(archive, 'r');
    try {
      const index = await readIndex(archive, handle, size);
      indexes.set(archive, { state, index });
      setEnvironmentData(shareKey, indexes);
      return index;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw readFault(archive, error);
  }
}

async function readIndex(archive: string, handle: FileHandle, fileBytes: number): Promise<TarIndex> {
  const members = new Map<string, TarMember>();
  const links: [name: string, target: string][] = [];
  /** Fields from extended headers: for the next member, and for all that follow. */
  let own = new Map<string, string>();
  const all = new Map<string, string>();
  const header = Buffer.alloc(block);
  await handle.read(header, 0, block, 0);
  if (fileBytes < block || !isHeader(header)) throw noArchive(archive, header);
  for (let at = 0; at + block <= fileBytes; ) {
    await handle.read(header, 0, block, at);
    if (header.every((byte) => byte === 0)) break;
    if (!isHeader(header)) {
      throw new DataError(
        `${archive} is damaged: the header at byte ${at} has the wrong checksum. Copy or download it again.`,
      );
    }
    const type = String.fromCharCode(header[156]);
    const special = 'xgLK'.includes(type);
    const said = (key: string) => (special ? undefined : (own.get(key) ?? all.get(key)));
    const size = Number(said('size') ?? numberIn(header, 124, 12));
    const offset = at + block;
    if (!(size >= 0) || offset + size > fileBytes) {
      throw new DataError(
        `${archive} is cut off: its member ${textIn(header, 0, 100)} ends at byte ${offset + size}, but ` +
          `the file has ${fileBytes} (${showBytes(fileBytes)}). Copy or download it again.`,
      );
    }
    at = offset + Math.ceil(size / block) * block;
    if (special) {
      const text = Buffer.alloc(size);
      await handle.read(text, 0, size, offset);
      if (type === 'L') own.set('path', textIn(text, 0, size));
      else if (type === 'K') own.set('linkpath', textIn(text, 0, size));
      else for (const [key, value] of paxRecords(text)) (type === 'g' ? all : own).set(key, value);
      continue;
    }
    const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? textIn(header, 345, 155) : '';
    const short = textIn(header, 0, 100);
    const name = safeName(said('path') ?? (prefix ? `${prefix}/${short}` : short));
    const modified = 1000 * Number(said('mtime') ?? numberIn(header, 136, 12));
    if (name && (type === '0' || type === '\0' || type === '7'))
      members.set(name, { offset, size, modified });
    const target = type === '1' ? safeName(said('linkpath') ?? textIn(header, 157, 100)) : undefined;
    if (name && target) links.push([name, target]);
    own = new Map();
  }
  for (const [name, target] of links) {
    const member = members.get(target);
    if (member) members.set(name, member);
  }
  return members;
}

/** True for a header with the right checksum: the sum of its bytes, with blanks in place of the checksum. */
function isHeader(header: Buffer): boolean {
  let sum = 0;
  for (let i = 0; i < block; i++) sum += i >= 148 && i < 156 ? 32 : header[i];
  return sum === numberIn(header, 148, 8);
}

function noArchive(archive: string, header: Buffer): DataError {
  if (header[0] === 0x1f && header[1] === 0x8b) {
    return new DataError(
      `${archive} is a compressed archive, from which single files cannot be read. Decompress it once ` +
        `(gunzip) or unpack it, and ` +
        'give the result as the root.',
    );
  }
  return new DataError(
    `${archive} is not a tar archive: it does not begin with a header. Check that it is the right file.`,
  );
}

/** A number of a header: octal digits, or binary if the first bit is set (GNU, for 8 GiB and more). */
function numberIn(header: Buffer, at: number, length: number): number {
  if ((header[at] & 0x80) === 0) return Number.parseInt(textIn(header, at, length).trim() || '0', 8);
  let value = header[at] & 0x7f;
  for (let i = 1; i < length; i++) value = value * 256 + header[at + i];
  return value;
}

function textIn(bytes: Buffer, at: number, length: number): string {
  return bytes.toString('utf8', at, at + length).split('\0', 1)[0];
}

/** The records of a pax header: lines of `LENGTH KEY=VALUE`, where LENGTH counts all bytes of the line. */
function* paxRecords(bytes: Buffer): Generator<[string, string]> {
  for (let at = 0; at < bytes.length; ) {
    const length = Number.parseInt(bytes.toString('latin1', at, at + 20), 10);
    if (!(length > 0)) return;
    const record = bytes.toString('utf8', at, at + length - 1);
    const [, key, value] = /^\d+ ([^=]+)=([\s\S]*)$/.exec(record) ?? [];
    if (key) yield [key, value];
    at += length;
  }
}

/**
 * A member's name without `./`; undefined for macOS `._*` files, and for names that leave the archive's
 * folder.
 */
function safeName(name: string): string | undefined {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  const leaves = name.startsWith('/') || parts.includes('..');
  return leaves || parts.length === 0 || parts.at(-1)?.startsWith('._') ? undefined : parts.join('/');
}
