import { DataError } from '../../errors.js';
import { withFile } from '../openFile.js';
import { readInflated } from './elements.js';
import { framesOf } from './fragments.js';
import type { DicomFile } from './header.js';
import { nativeBytes, type StoredPixels, unpackPixels } from './pixels.js';
import { inflateRle } from './rle.js';
import { isEncapsulated, transferSyntaxes } from './transferSyntax.js';

/**
 * The stored numbers of some frames of a file, each with its index.
 *
 * @throws DataError if the file is cut off, damaged, or cannot be read.
 */
export async function* decodeFrames(
  file: DicomFile,
  frames: readonly number[],
): AsyncGenerator<{ frame: number; pixels: StoredPixels }> {
  const { layout, pixels, transferSyntax, deflated } = file;
  const content = deflated ? await readInflated(file.file) : undefined;
  const read = async (from: number, length: number): Promise<Buffer> =>
    content ? Buffer.from(content.subarray(from, from + length)) : readPart(file.file, from, length);
  if (isEncapsulated(transferSyntax)) {
    const encoded = framesOf(await read(pixels.offset, Number.POSITIVE_INFINITY), file.frames);
    if (typeof encoded === 'string') throw new DataError(`${file.file} ${encoded}.`);
    for (const frame of frames) {
      const inflated = inflateRle(encoded[frame], layout);
      if (typeof inflated === 'string') {
        throw new DataError(`${file.file} is damaged: ${inflated}. Copy or download it again.`);
      }
      yield { frame, pixels: unpackPixels(inflated, layout, false) };
    }
    return;
  }
  const bytes = nativeBytes(layout);
  const bigEndian = transferSyntax === transferSyntaxes.explicitBig;
  for (const frame of frames) {
    const part = await read(pixels.offset + frame * bytes, bytes);
    if (part.length < bytes)
      throw new DataError(`${file.file} is cut off within its pixels. Copy or download it again.`);
    yield { frame, pixels: unpackPixels(part, layout, bigEndian, pixels.swappedWords) };
  }
}

/** A copy of some bytes of a file, fewer where it ends before. */
function readPart(file: string, from: number, length: number): Promise<Buffer> {
  return withFile(file, async ({ handle, offset, size }) => {
    const part = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, size - from)));
    const { bytesRead } = await handle.read(part, 0, part.length, offset + from);
    return part.subarray(0, bytesRead);
  });
}
