import { hostLittleEndian } from '../layout.js';
import type { PixelLayout } from './header.js';

/** The stored numbers of a slice. */
export type StoredPixels = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

/** Bytes of a slice of native pixels. */
export function nativeBytes({ rows, columns, bitsAllocated }: PixelLayout): number {
  return (rows * columns * bitsAllocated) / 8;
}

/** The smallest and the largest number that `bitsStored` bits hold. */
export function storedRange({ bitsStored, signed }: PixelLayout): readonly [number, number] {
  return signed ? [-(2 ** (bitsStored - 1)), 2 ** (bitsStored - 1) - 1] : [0, 2 ** bitsStored - 1];
}

/**
 * The numbers in the native pixels of a slice: `bitsStored` bits, the highest of them `highBit`; other bits,
 * which overlays used to take, are ignored.
 *
 * @param bytes Exactly those of the slice. They may be changed.
 */
export function unpackPixels(
  bytes: Buffer,
  layout: PixelLayout,
  bigEndian: boolean,
  swappedWords = false,
): StoredPixels {
  const { bitsAllocated } = layout;
  if (bitsAllocated === 8 && swappedWords && bytes.length % 2 === 0) bytes.swap16();
  const swap = bigEndian === hostLittleEndian;
  if (bitsAllocated === 16 && swap) bytes.swap16();
  if (bitsAllocated === 32 && swap) bytes.swap32();
  return keepStoredBits(view(bytes, layout), layout);
}

/** Room for the stored numbers of a slice. */
export function pixelArray(layout: PixelLayout): StoredPixels {
  const bytes = nativeBytes(layout);
  return view(Buffer.from(new ArrayBuffer(bytes)), layout);
}

/** The bytes as numbers, copied only where they are not aligned. */
function view(bytes: Buffer, { bitsAllocated, signed }: PixelLayout): StoredPixels {
  const size = bitsAllocated / 8;
  const aligned = bytes.byteOffset % size === 0 ? bytes : Uint8Array.from(bytes);
  const length = bytes.length / size;
  const [buffer, offset] = [aligned.buffer, aligned.byteOffset];
  if (size === 1)
    return signed ? new Int8Array(buffer, offset, length) : new Uint8Array(buffer, offset, length);
  if (size === 2)
    return signed ? new Int16Array(buffer, offset, length) : new Uint16Array(buffer, offset, length);
  return signed ? new Int32Array(buffer, offset, length) : new Uint32Array(buffer, offset, length);
}

/** Ignores bits that are not stored, and extends the sign; in place. */
export function keepStoredBits(
  pixels: StoredPixels,
  { bitsAllocated, bitsStored, highBit, signed }: PixelLayout,
): StoredPixels {
  if (bitsStored === bitsAllocated) return pixels;
  const left = 31 - highBit;
  const right = 32 - bitsStored;
  if (signed) for (let i = 0; i < pixels.length; i++) pixels[i] = (pixels[i] << left) >> right;
  else for (let i = 0; i < pixels.length; i++) pixels[i] = (pixels[i] << left) >>> right;
  return pixels;
}
