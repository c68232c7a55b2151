import { DataError, messageOf } from '../../errors.js';
import { withFile } from '../openFile.js';
import { decodeCompressed } from './codecs.js';
import { endsWithMarker, frameSize } from './codestream.js';
import { readInflated } from './elements.js';
import { framesOf } from './fragments.js';
import { groupBy } from './groupBy.js';
import type { DicomFile, Slice } from './header.js';
import { keepStoredBits, nativeBytes, type StoredPixels, unpackPixels } from './pixels.js';
import { inflateRle } from './rle.js';
import { isEncapsulated, syntaxName, transferSyntaxes } from './transferSyntax.js';

/** The stored numbers of a slice; `index` is its place in the list that was asked for. */
export interface DecodedSlice {
  readonly index: number;
  /** Valid until the next slice is asked for. */
  readonly pixels: StoredPixels;
}

/** A compressed frame that waits for others, since codecs take a while to start. */
interface WaitingFrame {
  readonly index: number;
  readonly file: DicomFile;
  readonly bytes: Buffer;
}

/** Frames that are decoded at once. */
const batch = 64;

/**
 * Decodes slices, file by file.
 *
 * @throws DataError if a file is cut off, damaged, or cannot be read.
 */
export async function* decodeSlices(slices: readonly Slice[]): AsyncGenerator<DecodedSlice> {
  const waiting: WaitingFrame[] = [];
  const reader = new PartReader();
  for (const [file, indexes] of groupBy(slices.keys(), (index) => slices[index].file)) {
    const { layout, pixels, transferSyntax } = file;
    if (isEncapsulated(transferSyntax)) {
      const encoded = framesOf(await reader.read(file, pixels.offset, Number.POSITIVE_INFINITY), file.frames);
      if (typeof encoded === 'string') throw new DataError(`${file.file} ${encoded}.`);
      for (const index of indexes) {
        const bytes = encoded[slices[index].frame];
        if (transferSyntax === transferSyntaxes.rle) yield { index, pixels: decodeRle(file, bytes) };
        else {
          // The reader's memory is used again for the next file.
          waiting.push({ index, file, bytes: Buffer.from(checkFrame(file, bytes)) });
        }
      }
      while (waiting.length >= batch) yield* decodeBatch(waiting.splice(0, batch));
      continue;
    }
    const length = nativeBytes(layout);
    const bigEndian = transferSyntax === transferSyntaxes.explicitBig;
    for (const index of indexes) {
      const part = await reader.read(file, pixels.offset + slices[index].frame * length, length);
      if (part.length < length)
        throw new DataError(`${file.file} is cut off within its pixels. Copy or download it again.`);
      yield { index, pixels: unpackPixels(part, layout, bigEndian, pixels.swappedWords) };
    }
  }
  yield* decodeBatch(waiting);
}

function decodeRle(file: DicomFile, frame: Buffer): StoredPixels {
  const inflated = inflateRle(frame, file.layout);
  if (typeof inflated !== 'string') return unpackPixels(inflated, file.layout, false);
  throw new DataError(`${file.file} is damaged: ${inflated}. Copy or download it again.`);
}

/** Decoders fill up a frame that is cut off or smaller, so its end marker and its size are checked. */
function checkFrame(file: DicomFile, frame: Buffer): Buffer {
  const { rows, columns } = file.layout;
  const size = frameSize(frame);
  if (size?.rows !== rows || size.columns !== columns) {
    const found = size ? `${size.rows} x ${size.columns} pixels` : 'no readable header';
    throw new DataError(
      `${file.file} is damaged: a compressed frame has ${found}, but the file's header says ${rows} x ${columns} pixels. Copy ` +
        'or download it again.',
    );
  }
  if (endsWithMarker(frame)) return frame;
  throw new DataError(
    `${file.file} is cut off: a compressed frame has no end marker. Copy or download it again.`,
  );
}

async function* decodeBatch(frames: readonly WaitingFrame[]): AsyncGenerator<DecodedSlice> {
  const alike = groupBy(frames, ({ file }) => JSON.stringify([file.layout, file.transferSyntax]));
  for (const group of alike.values()) {
    const { layout } = group[0].file;
    const decoded = await decodeGroup(group);
    for (const [i, { index }] of group.entries()) {
      yield { index, pixels: keepStoredBits(decoded[i], layout) };
    }
  }
}

/** Decodes frames at once and, if that fails, one by one, to name the file. */
async function decodeGroup(group: readonly WaitingFrame[]): Promise<StoredPixels[]> {
  const { layout, transferSyntax, file } = group[0].file;
  try {
    return await decodeCompressed(
      group.map(({ bytes }) => bytes),
      layout,
      transferSyntax,
    );
  } catch (error) {
    if (group.length === 1) {
      throw new DataError(
        `${file} is damaged: its pixels cannot be decoded as ${syntaxName(transferSyntax)} (${messageOf(error)}). Copy or ` +
          'download it again.',
      );
    }
    const single: StoredPixels[] = [];
    for (const frame of group) single.push(...(await decodeGroup([frame])));
    return single;
  }
}

/** Reads parts of files into memory that is used again for the next part. */
class PartReader {
  #memory = Buffer.alloc(0);
  #inflated: { readonly file: string; readonly content: Uint8Array } | undefined;

  /** Some bytes of a file, fewer where it ends before. Valid until the next call. */
  async read({ file, deflated }: DicomFile, from: number, length: number): Promise<Buffer> {
    if (deflated) {
      if (this.#inflated?.file !== file) this.#inflated = { file, content: await readInflated(file) };
      const { content } = this.#inflated;
      return this.#room(Math.min(length, content.length - from), (part) => {
        part.set(content.subarray(from, from + part.length));
      });
    }
    return withFile(file, async (open, size) => {
      const part = this.#room(Math.min(length, size - from));
      return part.subarray(0, await open.read(part, from));
    });
  }

  #room(length: number, fill?: (part: Buffer) => void): Buffer {
    if (this.#memory.length < length) this.#memory = Buffer.allocUnsafeSlow(length);
    const part = this.#memory.subarray(0, Math.max(0, length));
    fill?.(part);
    return part;
  }
}
