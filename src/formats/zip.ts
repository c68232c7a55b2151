import { crc32, inflateRawSync } from 'node:zlib';
import { DataError, messageOf, show, showBytes } from '../errors.js';

/** A member of a zip archive, as the archive's directory describes it. */
interface ZipMember {
  readonly name: string;
  /** 0 stored, 8 deflated; anything else is refused when the member is read. */
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  /** Bytes in the archive. */
  readonly packed: number;
  /** Bytes once unpacked. */
  readonly size: number;
  /** Where its local header begins. */
  readonly offset: number;
}

/** Deflate cannot shrink anything more than 1032-fold, so a larger claim is a lie. */
const largestRatio = 1032;

/** The bytes of an archive, in memory or in a file. */
export interface ZipBytes {
  readonly size: number;
  /** Some bytes: a view where they are in memory. The archive asks for none beyond the end. */
  readonly read: (at: number, length: number) => Uint8Array;
}

/** The most bytes that the end takes: the 64-bit record, its locator, the last record and a comment. */
const mostEnd = 56 + 20 + 22 + 0xffff;

/**
 * A zip archive: stored and deflated members, with and without the 64-bit extension, CRC-32 checked. What a
 * directory claims is compared with the bytes that are there before memory is taken.
 *
 * Source: PKWARE's APPNOTE.TXT 6.3, sections 4.3 (headers), 4.4 (fields) and 4.5.3 (zip64).
 */
export class ZipArchive {
  readonly #bytes: ZipBytes;
  readonly #members = new Map<string, ZipMember>();

  /**
   * @throws DataError with a clause that says what is wrong, if the bytes are not a zip archive, or one that
   * is cut off or damaged.
   */
  constructor(bytes: Uint8Array | ZipBytes) {
    this.#bytes = bytes instanceof Uint8Array ? inMemory(bytes) : bytes;
    const directory = this.#findDirectory();
    const entries = viewOf(this.#bytes.read(directory.offset, directory.size));
    let at = 0;
    let packed = 0;
    for (let i = 0; i < directory.count; i++) {
      if (at + 46 > directory.size || entries.getUint32(at, true) !== 0x02014b50) {
        throw new DataError(`the zip directory is damaged at its member ${i + 1} of ${directory.count}`);
      }
      const { member, end } = readEntry(entries, at);
      if (this.#members.has(member.name)) {
        throw new DataError(`the zip directory names ${show(member.name)} twice`);
      }
      this.#members.set(member.name, member);
      packed += member.packed;
      at = end;
    }
    // Members that share bytes could make a small file cost any amount of work.
    if (packed > this.#bytes.size) {
      throw new DataError(
        `the members of the zip archive add up to ${showBytes(packed)}, but the file has ` +
          `${showBytes(this.#bytes.size)}: it is cut off or damaged`,
      );
    }
  }

  /** The names of the members, in the order of the directory. */
  get names(): string[] {
    return [...this.#members.keys()];
  }

  /** The unpacked bytes of a member, as the directory states them; undefined if there is no such member. */
  sizeOf(name: string): number | undefined {
    return this.#members.get(name)?.size;
  }

  /**
   * The bytes of a member: a view of the archive's own bytes where it is stored, else a new array.
   *
   * @param limit The most bytes that unpacking may take.
   */
  read(name: string, limit: number): Uint8Array {
    const member = this.#members.get(name);
    if (!member) throw new DataError(`the archive has no member ${show(name)}`);
    const content = this.#unpack(member, limit);
    const crc = crc32(content);
    if (crc !== member.crc) {
      throw new DataError(
        `its member ${show(name)} is damaged: the checksum is ${hex(crc)}, but the archive says ` +
          `${hex(member.crc)}`,
      );
    }
    return content;
  }

  #unpack({ name, method, flags, packed, size, offset }: ZipMember, limit: number): Uint8Array {
    if (flags & 1) throw new DataError(`its member ${show(name)} is encrypted`);
    const local = offset + 30 <= this.#bytes.size ? viewOf(this.#bytes.read(offset, 30)) : undefined;
    if (local?.getUint32(0, true) !== 0x04034b50) {
      throw new DataError(`its member ${show(name)} is not where the zip directory says`);
    }
    const start = offset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
    if (start + packed > this.#bytes.size) {
      throw new DataError(`its member ${show(name)} reaches beyond the end of the file: the file is cut off`);
    }
    if (method === 0 && packed === size) return this.#bytes.read(start, packed);
    if (method !== 8) {
      throw new DataError(
        `its member ${show(name)} (method ${method}, ${packed} bytes for ${size}) is neither stored nor deflated`,
      );
    }
    if (size > limit || size > packed * largestRatio) {
      throw new DataError(
        `its member ${show(name)} claims to unpack to ${showBytes(size)}, which is too much`,
      );
    }
    let content: Uint8Array;
    try {
      content = inflateRawSync(this.#bytes.read(start, packed), { maxOutputLength: Math.max(size, 1) });
    } catch (error) {
      throw new DataError(`its member ${show(name)} cannot be unpacked: ${messageOf(error)}`);
    }
    if (content.length !== size) {
      throw new DataError(`its member ${show(name)} unpacks to ${content.length} bytes instead of ${size}`);
    }
    return content;
  }

  /**
   * Where the directory lies: the record at the end of the file says so, and the zip64 record before it, if
   * any.
   */
  #findDirectory(): { offset: number; size: number; count: number } {
    const start = Math.max(0, this.#bytes.size - mostEnd);
    const end = viewOf(this.#bytes.read(start, this.#bytes.size - start));
    const last = end.byteLength - 22;
    // A comment of up to 65,535 bytes may follow the record.
    let at = last;
    while (at >= 0 && at >= last - 0xffff && end.getUint32(at, true) !== 0x06054b50) at--;
    if (at < 0 || at < last - 0xffff) {
      throw new DataError('the directory at the end of the zip archive is missing: the file is cut off');
    }
    let count = end.getUint16(at + 10, true);
    let size = end.getUint32(at + 12, true);
    let offset = end.getUint32(at + 16, true);
    if (count === 0xffff || size === 0xffffffff || offset === 0xffffffff) {
      const locator = at - 20;
      if (locator < 0 || end.getUint32(locator, true) !== 0x07064b50) {
        throw new DataError('the 64-bit record of the zip directory is missing');
      }
      const record = wide(end, locator + 8) - start;
      if (record < 0 || record + 56 > locator || end.getUint32(record, true) !== 0x06064b50) {
        throw new DataError('the 64-bit record of the zip directory is damaged');
      }
      count = wide(end, record + 32);
      size = wide(end, record + 40);
      offset = wide(end, record + 48);
    }
    if (offset + size > start + at || count * 46 > size) {
      throw new DataError(
        `the zip directory claims ${count} members in ${size} bytes from ${offset} on, which do not fit the ` +
          'file',
      );
    }
    return { offset, size, count };
  }
}

function inMemory(bytes: Uint8Array): ZipBytes {
  return { size: bytes.length, read: (at, length) => bytes.subarray(at, at + length) };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readEntry(view: DataView, at: number): { member: ZipMember; end: number } {
  const nameEnd = at + 46 + view.getUint16(at + 28, true);
  const extraEnd = nameEnd + view.getUint16(at + 30, true);
  const end = extraEnd + view.getUint16(at + 32, true);
  if (end > view.byteLength) throw new DataError('the zip directory is damaged: a member reaches beyond it');
  const name = new TextDecoder().decode(
    new Uint8Array(view.buffer, view.byteOffset + at + 46, nameEnd - at - 46),
  );
  // In this order in the 64-bit field too, which holds only those that are all ones here.
  const sizes = [at + 24, at + 20, at + 42].map((field) => view.getUint32(field, true));
  let field = find64(view, nameEnd, extraEnd);
  for (const [i, value] of sizes.entries()) {
    if (value !== 0xffffffff) continue;
    if (field === undefined || field.at + 8 > field.end) {
      throw new DataError(`the zip directory lacks the 64-bit sizes of its member ${show(name)}`);
    }
    sizes[i] = wide(view, field.at);
    field = { at: field.at + 8, end: field.end };
  }
  const [size, packed, offset] = sizes;
  const member: ZipMember = {
    name,
    method: view.getUint16(at + 10, true),
    flags: view.getUint16(at + 8, true),
    crc: view.getUint32(at + 16, true),
    packed,
    size,
    offset,
  };
  return { member, end };
}

/** The zip64 field among a member's extra fields. */
function find64(view: DataView, start: number, end: number): { at: number; end: number } | undefined {
  for (let at = start; at + 4 <= end; ) {
    const fieldEnd = at + 4 + view.getUint16(at + 2, true);
    if (fieldEnd > end) return undefined;
    if (view.getUint16(at, true) === 1) return { at: at + 4, end: fieldEnd };
    at = fieldEnd;
  }
  return undefined;
}

/** An unsigned 64-bit number, which must be one that a number holds exactly. */
function wide(view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  if (Number.isSafeInteger(value)) return value;
  throw new DataError(`the zip directory holds the size or position ${value}, which no file has`);
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}
