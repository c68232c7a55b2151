import { open, stat } from 'node:fs/promises';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { DataError, showBytes } from '../errors.js';
import { readFault } from './aside.js';
import { safeName } from './safeName.js';

/** Where a regular file is in a tar archive. */
export interface TarMember {
  /** Its first byte in the archive. */
  readonly offset: number;
  readonly size: number;
  /** Modification time in milliseconds since 1970, as the archive notes it. */
  readonly modified: number;
}

/** An index as it is shared with worker threads, without a copy. Its members are sorted by name. */
interface TarTable {
  /** All names one after the other, in UTF-8. */
  readonly names: SharedArrayBuffer;
  /** For each member four float64: the end of its name, its offset, size and modification time. */
  readonly places: SharedArrayBuffer;
}

/** The regular files of a tar archive by name, without a leading `./`. */
export class TarIndex {
  readonly #names: Buffer;
  readonly #places: Float64Array;

  constructor({ names, places }: TarTable) {
    this.#names = Buffer.from(names);
    this.#places = new Float64Array(places);
  }

  /** The number of files. */
  get size(): number {
    return this.#places.length / 4;
  }

  /** The place of a file; undefined if there is none of that name. */
  get(name: string): TarMember | undefined {
    let low = 0;
    let high = this.size - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = this.#nameAt(middle);
      if (found === name) {
        const [, offset, size, modified] = this.#places.subarray(4 * middle, 4 * middle + 4);
        return { offset, size, modified };
      }
      if (found < name) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  /** The names of the files, sorted. */
  *keys(): Generator<string> {
    for (let i = 0; i < this.size; i++) yield this.#nameAt(i);
  }

  #nameAt(i: number): string {
    const start = i === 0 ? 0 : this.#places[4 * (i - 1)];
    return this.#names.toString('utf8', start, this.#places[4 * i]);
  }
}

function tableOf(members: ReadonlyMap<string, TarMember>): TarTable {
  const sorted = [...members.keys()].sort();
  const bytes = sorted.reduce((sum, name) => sum + Buffer.byteLength(name), 0);
  const names = new SharedArrayBuffer(bytes);
  const places = new SharedArrayBuffer(sorted.length * 4 * Float64Array.BYTES_PER_ELEMENT);
  const [text, numbers] = [Buffer.from(names), new Float64Array(places)];
  let end = 0;
  for (const [i, name] of sorted.entries()) {
    const { offset, size, modified } = members.get(name) as TarMember;
    end += text.write(name, end);
    numbers.set([end, offset, size, modified], 4 * i);
  }
  return { names, places };
}

interface Indexed {
  /** Size and modification time of the archive when it was indexed. */
  readonly state: string;
  readonly table: TarTable;
}

const block = 512;

/** How many bytes are read at once: the headers of small members lie close together. */
const chunkBytes = 2 ** 16;

/** The most bytes of an extended header. They hold long names and a few numbers. */
const mostExtended = 2 ** 20;

/** The fields of extended headers that are used. */
const extendedFields = ['path', 'linkpath', 'size', 'mtime'];

/** Where worker threads find the indexes that their parent has read. */
const shareKey = 'voxstream tar indexes';

let indexes: Map<string, Indexed> | undefined;

/** Fills `into` with bytes of a file from a position. Returns how many there were: fewer at the end. */
export type ReadAt = (into: Uint8Array, at: number) => Promise<number>;

/** A tar archive that may be anywhere. */
export interface TarFile {
  /** Its path or address. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Changes if its content does. */
  readonly state: string;
  /** Calls `work` with a function that reads it. */
  readonly open: <T>(work: (read: ReadAt) => Promise<T>) => Promise<T>;
}

/**
 * The regular files of a tar archive (ustar, GNU, pax). Only its headers are read. The index is kept as long
 * as the archive does not change, and passed on to worker threads that start later. macOS `._*` files and
 * names that would leave the folder are ignored; a hard link is the file that it names.
 *
 * @throws DataError if it is not such an archive, or is cut off.
 */
export async function indexTar(archive: string): Promise<TarIndex> {
  try {
    const { size, mtimeMs } = await stat(archive);
    return await indexTarFile({
      name: archive,
      size,
      state: `${size} ${mtimeMs}`,
      open: async (work) => {
        const handle = await open(archive, 'r');
        try {
          return await work(async (into, at) => (await handle.read(into, 0, into.length, at)).bytesRead);
        } finally {
          await handle.close();
        }
      },
    });
  } catch (error) {
    throw readFault(archive, error);
  }
}

/** Like `indexTar`, for an archive that may be elsewhere. */
export async function indexTarFile({ name, size, state, open }: TarFile): Promise<TarIndex> {
  indexes ??= (getEnvironmentData(shareKey) as Map<string, Indexed> | undefined) ?? new Map();
  const known = indexes.get(name);
  if (known?.state === state) return new TarIndex(known.table);
  const table = tableOf(await open((read) => readMembers(name, read, size)));
  indexes.set(name, { state, table });
  setEnvironmentData(shareKey, indexes);
  return new TarIndex(table);
}

/** Reads a file from its beginning to its end, in chunks, with gaps. */
class ForwardReader {
  readonly #chunk = Buffer.alloc(chunkBytes);
  #start = 0;
  #length = 0;

  constructor(readonly read: ReadAt) {}

  /** Bytes of the file, at most a chunk; fewer at its end. They are valid until the next call. */
  async bytes(at: number, length: number): Promise<Buffer> {
    if (at < this.#start || at + length > this.#start + this.#length) {
      this.#length = await this.read(this.#chunk, at);
      this.#start = at;
    }
    const from = at - this.#start;
    return this.#chunk.subarray(from, Math.min(from + length, this.#length));
  }
}

async function readMembers(
  archive: string,
  read: ReadAt,
  fileBytes: number,
): Promise<Map<string, TarMember>> {
  const reader = new ForwardReader(read);
  const members = new Map<string, TarMember>();
  const links: [name: string, target: string][] = [];
  /** Fields from extended headers: for the next member, and for all that follow. */
  let own = new Map<string, string>();
  const all = new Map<string, string>();
  const first = await reader.bytes(0, block);
  if (!isHeader(first)) throw noArchive(archive, first);
  for (let at = 0; at + block <= fileBytes; ) {
    const header = await reader.bytes(at, block);
    if (isZero(header)) break;
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
      if (size > mostExtended) {
        throw new DataError(
          `${archive} is damaged: the extended header at byte ${offset - block} has ${showBytes(size)}, but ` +
            `${showBytes(mostExtended)} at most are allowed. Copy or download it again.`,
        );
      }
      const text = Buffer.alloc(size);
      await read(text, offset);
      if (type === 'L') own.set('path', textIn(text, 0, size));
      else if (type === 'K') own.set('linkpath', textIn(text, 0, size));
      else {
        for (const [key, value] of paxRecords(text)) {
          if (extendedFields.includes(key)) (type === 'g' ? all : own).set(key, value);
        }
      }
      continue;
    }
    const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? textIn(header, 345, 155) : '';
    const short = textIn(header, 0, 100);
    const name = safeName(said('path') ?? (prefix ? `${prefix}/${short}` : short));
    const modified = 1000 * Number(said('mtime') ?? numberIn(header, 136, 12)) || 0;
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
  if (header.length < block) return false;
  let sum = 0;
  for (let i = 0; i < block; i++) sum += i >= 148 && i < 156 ? 32 : header[i];
  return sum === numberIn(header, 148, 8);
}

function isZero(header: Buffer): boolean {
  return header[0] === 0 && header.every((byte) => byte === 0);
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
