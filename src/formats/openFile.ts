import { type FileHandle, open, stat } from 'node:fs/promises';
import { DataError } from '../errors.js';
import { readFault } from './aside.js';
import { findFile } from './tar.js';

/** An open file, or a member of an open archive. */
export interface OpenFile {
  readonly handle: FileHandle;
  /** The position of its first byte. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/**
 * Opens a regular file, or a member of a tar archive (see `findFile`), and closes it after `work`.
 *
 * @param name What errors call the file.
 * @throws DataError if it cannot be read.
 */
export async function withFile<T>(
  file: string,
  work: (open: OpenFile, fileBytes: number) => Promise<T>,
  name = file,
): Promise<T> {
  let handle: FileHandle | undefined;
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
    handle = await open(place.file, 'r');
    return await work({ handle, offset: place.offset, size: place.size }, place.size);
  } catch (error) {
    throw readFault(name, error);
  } finally {
    await handle?.close();
  }
}

/** The first bytes of an open file, fewer than `length` if it is shorter. */
export async function readStart({ handle, offset, size }: OpenFile, length: number): Promise<Buffer> {
  const start = Buffer.alloc(Math.min(length, size));
  const { bytesRead } = await handle.read(start, 0, start.length, offset);
  return start.subarray(0, bytesRead);
}
