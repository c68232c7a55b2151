import { crc32, inflateRawSync } from 'node:zlib';
import { ModelError, messageOf, show, showBytes } from '../../errors.js';

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

/**
 * A zip archive in memory: stored and deflated members, with and without the 64-bit extension, CRC-32
 * checked. What a directory claims is compared with the bytes that are there before memory is taken.
 *
 * Source: PKWARE's APPNOTE.TXT 6.3, sections 4.3 (headers), 4.4 (fields) and 4.5.3 (zip64).
 */
export class ZipArchive {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #members = new Map<string, ZipMember>();

  /** Throws ModelError when the bytes are no zip archive, or one that is cut off or damaged. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const directory = this.#findDirectory();
    let at = directory.offset;
    let packed = 0;
    for (let i = 0; i < directory.count; i++) {
      if (at + 46 > directory.end || this.#view.getUint32(at, true) !== 0x02014b50) {
        throw new ModelError(`the zip directory is damaged at its member ${i + 1} of ${directory.count}`);
      }
      const { member, end } = this.#readEntry(at, directory.end);
      if (this.#members.has(member.name)) {
        throw new ModelError(`the zip directory names ${show(member.name)} twice`);
      }
      this.#members.set(member.name, member);
      packed += member.packed;
      at = end;
    }
    // Members that share bytes could make a small file cost any amount of work.
    if (packed > bytes.length) {
      throw new ModelError(
        `the members of the zip archive add up to ${showBytes(packed)}, but the file has ` +
          `${showBytes(bytes.length)}: it is cut off or damaged`,
      );
    }
  }

  /** The names of the members, in the order of the directory. */
  get names(): string[] {
    return [...this.#members.keys()];
  }

  /** The memory that the archive lies in, to tell views of it from new arrays. */
  get buffer(): ArrayBufferLike {
    return this.#bytes.buffer;
  }

  /**
   * The bytes of a member: a view of the archive's own bytes where it is stored, else a new array.
   *
   * @param limit The most bytes that unpacking may take.
   */
  read(name: string, limit: number): Uint8Array {
    const member = this.#members.get(name);
    if (!member) throw new ModelError(`the archive has no member ${show(name)}`);
    const content = this.#unpack(member, limit);
    const crc = crc32(content);
    if (crc !== member.crc) {
      throw new ModelError(
        `its member ${show(name)} is damaged: the checksum is ${hex(crc)}, but the archive says ` +
          `${hex(member.crc)}`,
      );
    }
    return content;
  }

  #unpack({ name, method, flags, packed, size, offset }: ZipMember, limit: number): Uint8Array {
    if (flags & 1) throw new ModelError(`its member ${show(name)} is encrypted`);
    if (offset + 30 > this.#bytes.length || this.#view.getUint32(offset, true) !== 0x04034b50) {
      throw new ModelError(`its member ${show(name)} is not where the zip directory says`);
    }
    const start =
      offset + 30 + this.#view.getUint16(offset + 26, true) + this.#view.getUint16(offset + 28, true);
    if (start + packed > this.#bytes.length) {
      throw new ModelError(
        `its member ${show(name)} reaches beyond the end of the file: the file is cut off`,
      );
    }
    const raw = this.#bytes.subarray(start, start + packed);
    if (method === 0 && packed === size) return raw;
    if (method !== 8) {
      throw new ModelError(
        `its member ${show(name)} (method ${method}, ${packed} bytes for ${size}) is neither stored nor deflated`,
      );
    }
    if (size > limit || size > packed * largestRatio) {
      throw new ModelError(
        `its member ${show(name)} claims to unpack to ${showBytes(size)}, which is too much`,
      );
    }
    let content: Uint8Array;
    try {
      content = inflateRawSync(raw, { maxOutputLength: Math.max(size, 1) });
    } catch (error) {
      throw new ModelError(`its member ${show(name)} cannot be unpacked: ${messageOf(error)}`);
    }
    if (content.length !== size) {
      throw new ModelError(`its member ${show(name)} unpacks to ${content.length} bytes instead of ${size}`);
    }
    return content;
  }

  /**
   * Where the directory lies: the record at the end of the file says so, and the zip64 record before it, if
   * any.
   */
  #findDirectory(): { offset: number; end: number; count: number } {
    const view = this.#view;
    const last = this.#bytes.length - 22;
    // A comment of up to 65,535 bytes may follow the record.
    let at = last;
    while (at >= 0 && at >= last - 0xffff && view.getUint32(at, true) !== 0x06054b50) at--;
    if (at < 0 || at < last - 0xffff) {
      throw new ModelError('the directory at the end of the zip archive is missing: the file is cut off');
    }
    let count = view.getUint16(at + 10, true);
    let size = view.getUint32(at + 12, true);
    let offset = view.getUint32(at + 16, true);
    if (count === 0xffff || size === 0xffffffff || offset === 0xffffffff) {
      const locator = at - 20;
      if (locator < 0 || view.getUint32(locator, true) !== 0x07064b50) {
        throw new ModelError('the 64-bit record of the zip directory is missing');
      }
      const record = this.#wide(locator + 8);
      if (record + 56 > locator || view.getUint32(record, true) !== 0x06064b50) {
        throw new ModelError('the 64-bit record of the zip directory is damaged');
      }
      count = this.#wide(record + 32);
      size = this.#wide(record + 40);
      offset = this.#wide(record + 48);
    }
    if (offset + size > at || count * 46 > size) {
      throw new ModelError(
        `the zip directory claims ${count} members in ${size} bytes from ${offset} on, which do not fit the ` +
          'file',
      );
    }
    return { offset, end: offset + size, count };
  }

  #readEntry(at: number, directoryEnd: number): { member: ZipMember; end: number } {
    const view = this.#view;
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const end = extraEnd + view.getUint16(at + 32, true);
    if (end > directoryEnd) throw new ModelError('the zip directory is damaged: a member reaches beyond it');
    const name = new TextDecoder().decode(this.#bytes.subarray(at + 46, nameEnd));
    // In this order in the 64-bit field too, which holds only those that are all ones here.
    const sizes = [at + 24, at + 20, at + 42].map((field) => view.getUint32(field, true));
    let wide = this.#find64(nameEnd, extraEnd);
    for (const [i, value] of sizes.entries()) {
      if (value !== 0xffffffff) continue;
      if (wide === undefined || wide.at + 8 > wide.end) {
        throw new ModelError(`the zip directory lacks the 64-bit sizes of its member ${show(name)}`);
      }
      sizes[i] = this.#wide(wide.at);
      wide = { at: wide.at + 8, end: wide.end };
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
  #find64(start: number, end: number): { at: number; end: number } | undefined {
    for (let at = start; at + 4 <= end; ) {
      const fieldEnd = at + 4 + this.#view.getUint16(at + 2, true);
      if (fieldEnd > end) return undefined;
      if (this.#view.getUint16(at, true) === 1) return { at: at + 4, end: fieldEnd };
      at = fieldEnd;
    }
    return undefined;
  }

  /** An unsigned 64-bit number, which must be one that a number holds exactly. */
  #wide(at: number): number {
    const value = Number(this.#view.getBigUint64(at, true));
    if (Number.isSafeInteger(value)) return value;
    throw new ModelError(`the zip directory holds the size or position ${value}, which no file has`);
  }
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}
