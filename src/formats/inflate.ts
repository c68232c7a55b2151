import { constants, createUnzip, gunzipSync } from 'node:zlib';
import { DataError } from '../errors.js';
import { type OpenFile, readStart } from './openFile.js';

const chunkSize = 4 << 20;

/** The most that deflate can shrink data: a match of 258 bytes takes two bits. */
const deflateRatio = 1032;

/** True if bytes begin as gzip data do. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** The most bytes that can come out of so many bytes of a file. */
export function mostBytes(fileBytes: number, compressed: boolean): number {
  return compressed ? fileBytes * deflateRatio : fileBytes;
}

/**
 * Passes an open file's bytes from `start` on to `take`, some megabytes at a time; inflated if `compressed`
 * (gzip, in one or several members, or zlib).
 *
 * @throws DataError if compressed data are cut off, damaged, or have the wrong checksum or length.
 */
export async function streamBytes(
  { open, file, start, compressed }: { open: OpenFile; file: string; start: number; compressed: boolean },
  take: (chunk: Buffer) => void,
): Promise<void> {
  if (start >= open.size) return;
  const source = open.stream(start, chunkSize);
  // Not stream.pipeline: it fails when compressed data end before the file does, as they do before padding.
  const stream = compressed ? source.pipe(createUnzip({ chunkSize })) : source;
  source.once('error', (error) => stream.destroy(error));
  try {
    for await (const chunk of stream) take(chunk);
  } catch (error) {
    throw inflateFault(error, file);
  } finally {
    source.destroy();
  }
}

/** The sentence for zlib's errors about damaged data; other errors are returned as they are. */
export function inflateFault(error: unknown, file: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'Z_BUF_ERROR') {
    return new DataError(`${file} is cut off: its compressed data end too early. Copy or download it again.`);
  }
  if (code?.startsWith('Z_')) {
    return new DataError(
      `${file} is damaged: its compressed data cannot be inflated (${message}). Copy or download it again.`,
    );
  }
  return error;
}

/**
 * At least the first `length` bytes of a file, inflated if they are gzip data; all of them if there are
 * fewer. No more of the file is read than that takes.
 *
 * @throws DataError if compressed data are cut off or damaged before that.
 */
export async function readInflatedStart(open: OpenFile, length: number, file: string): Promise<Buffer> {
  for (let packed = 4096; ; packed *= 4) {
    const whole = packed >= open.size;
    const known = await readStart(open, packed);
    const bytes = isGzip(known) ? inflateStart(known, whole, file) : known;
    if (bytes.length >= length || whole) return bytes;
  }
}

function inflateStart(bytes: Uint8Array, whole: boolean, file: string): Buffer {
  try {
    return gunzipSync(bytes, whole ? {} : { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    throw inflateFault(error, file);
  }
}
