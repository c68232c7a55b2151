import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { DataError, showBytes } from '../errors.js';
import { writeAside } from './aside.js';

/** A member of a zip archive to write. */
export interface ZipContent {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Without the 64-bit extension, sizes and positions have 32 bits. */
const mostBytes = 2 ** 32 - 1;

/**
 * Writes a zip archive whose members are stored uncompressed and begin at multiples of `alignment`. The file
 * is written completely or not at all.
 *
 * Source: PKWARE's APPNOTE.TXT 6.3, section 4.3.
 *
 * @throws DataError if the archive would have 4 GiB or more, or cannot be written.
 */
export async function writeZip(file: string, members: readonly ZipContent[], alignment = 1): Promise<void> {
  const total = members.reduce((sum, { bytes }) => sum + bytes.length + alignment + 1024, 0);
  if (total > mostBytes) {
    throw new DataError(`${file} would have ${showBytes(total)}, but a zip archive has less than 4 GiB.`);
  }
  await writeAside(file, async (temporary) => {
    const handle = await open(temporary, 'wx');
    try {
      const entries: Buffer[] = [];
      let at = 0;
      for (const { name, bytes } of members) {
        const path = Buffer.from(name);
        // An extra field of zeros moves the content to its place. Its own header takes four bytes.
        const start = at + 30 + path.length;
        const padding =
          start % alignment === 0 ? 0 : 4 + ((alignment - ((start + 4) % alignment)) % alignment);
        const fields = fieldsOf(bytes);
        await handle.writeFile(localHeader(path, fields, padding));
        await handle.writeFile(bytes);
        entries.push(directoryEntry(path, fields, at));
        at += 30 + path.length + padding + bytes.length;
      }
      const directory = Buffer.concat(entries);
      await handle.writeFile(directory);
      await handle.writeFile(endRecord(members.length, directory.length, at));
    } finally {
      await handle.close();
    }
  });
}

/** What both headers of a member say: version 2.0, no flags, stored, 1 January 1980, checksum, sizes. */
function fieldsOf(bytes: Uint8Array): Buffer {
  const fields = Buffer.alloc(22);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(0x21, 8);
  fields.writeUInt32LE(crc32(bytes), 10);
  fields.writeUInt32LE(bytes.length, 14);
  fields.writeUInt32LE(bytes.length, 18);
  return fields;
}

function localHeader(path: Buffer, fields: Buffer, padding: number): Buffer {
  const header = Buffer.alloc(30 + path.length + padding);
  header.writeUInt32LE(0x04034b50, 0);
  fields.copy(header, 4);
  header.writeUInt16LE(path.length, 26);
  header.writeUInt16LE(padding, 28);
  path.copy(header, 30);
  if (padding > 0) {
    header.write('FB', 30 + path.length, 'latin1');
    header.writeUInt16LE(padding - 4, 32 + path.length);
  }
  return header;
}

function directoryEntry(path: Buffer, fields: Buffer, offset: number): Buffer {
  const entry = Buffer.alloc(46 + path.length);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(20, 4);
  fields.copy(entry, 6);
  entry.writeUInt16LE(path.length, 28);
  entry.writeUInt32LE(offset, 42);
  path.copy(entry, 46);
  return entry;
}

function endRecord(count: number, size: number, offset: number): Buffer {
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(count, 8);
  record.writeUInt16LE(count, 10);
  record.writeUInt32LE(size, 12);
  record.writeUInt32LE(offset, 16);
  return record;
}
