import { open, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { DataError } from '../errors.js';
import { type FilePlace, findFile } from './archives.js';
import { readFault } from './aside.js';
import { readZipMember } from './zipFiles.js';

/** An open file, or a member of an archive. Positions count from its first byte. */
export interface OpenFile {
  /** Bytes. */
  readonly size: number;
  /** Fills `into` with bytes from a position. Returns how many there were: fewer at the end. */
  readonly read: (into: Uint8Array, at: number) => Promise<number>;
  /** The bytes from a position to the end, in chunks of about `chunkBytes`. */
  readonly stream: (at: number, chunkBytes: number) => Readable;
}

/** Opens a file for `work`, and closes it then. */
export type Opener = <T>(file: string, work: (open: OpenFile, fileBytes: number) => Promise<T>) => Promise<T>;

/**
 * Opens a regular file, or a member of a tar or zip archive (see `findFile`), and closes it after `work`.
 *
 * @param name What errors call the file.
 * @throws DataError if it cannot be read.
 */
export async function withFile<T>(
  file: string,
  work: (open: OpenFile, fileBytes: number) => Promise<T>,
  name = file,
): Promise<T> {
  try {
    const place = await findFile(file);
    if (!place) throw Object.assign(new Error('there is no such file'), { code: 'ENOENT' });
    const found = await stat(place.file);
    // Opening a pipe would block, and its length is not known.
    if (!found.isFile() && !found.isDirectory()) {
      throw new DataError(
        `${name} is not a regular file, but a pipe or a device. Copy its content into a file, and give that.`,
      );
    }
    if (place.zipMember !== undefined) {
      const content = await readZipMember(place.file, place.zipMember);
      return await work(inMemory(content), content.length);
    }
    return await onDisk(place, work);
  } catch (error) {
    throw readFault(name, error);
  }
}

async function onDisk<T>(
  { file, offset, size }: FilePlace,
  work: (open: OpenFile, fileBytes: number) => Promise<T>,
): Promise<T> {
  const handle = await open(file, 'r');
  try {
    const opened: OpenFile = {
      size,
      read: async (into, at) => {
        const length = Math.max(0, Math.min(into.length, size - at));
        return (await handle.read(into, 0, length, offset + at)).bytesRead;
      },
      stream: (at, highWaterMark) =>
        handle.createReadStream({
          start: offset + at,
          end: offset + size - 1,
          autoClose: false,
          highWaterMark,
        }),
    };
    return await work(opened, size);
  } finally {
    await handle.close();
  }
}

function inMemory(content: Uint8Array): OpenFile {
  return {
    size: content.length,
    read: async (into, at) => {
      const part = content.subarray(at, at + into.length);
      into.set(part);
      return part.length;
    },
    stream: (at, chunkBytes) =>
      Readable.from(
        (function* chunks() {
          for (let from = at; from < content.length; from += chunkBytes) {
            yield Buffer.from(
              content.buffer,
              content.byteOffset + from,
              Math.min(chunkBytes, content.length - from),
            );
          }
        })(),
        { objectMode: false },
      ),
  };
}

/** The first bytes of an open file, fewer than `length` if it is shorter. */
export async function readStart(open: OpenFile, length: number): Promise<Buffer> {
  const start = Buffer.alloc(Math.min(length, open.size));
  return start.subarray(0, await open.read(start, 0));
}
