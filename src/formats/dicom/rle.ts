import type { PixelLayout } from './header.js';

/**
 * Inflates an RLE frame into little-endian pixels. PS3.5, annex G: a header of 16 numbers (how many segments,
 * and where each begins), then for each byte of a pixel, the highest first, a segment packed as PackBits does
 * it.
 *
 * @returns Why it is damaged, as a clause, if it is.
 */
export function inflateRle(
  frame: Uint8Array,
  { rows, columns, bitsAllocated }: PixelLayout,
): Buffer | string {
  const segments = bitsAllocated / 8;
  const count = rows * columns;
  if (frame.length < 64) return `an RLE frame has ${frame.length} bytes, which is less than its header takes`;
  const header = new DataView(frame.buffer, frame.byteOffset, 64);
  const said = header.getUint32(0, true);
  if (said !== segments) return `an RLE frame has ${said} segments, but ${segments} were expected`;
  const offsets = Array.from({ length: segments }, (_, i) => header.getUint32(4 + 4 * i, true));
  offsets.push(frame.length);
  if (offsets[0] < 64 || offsets.some((offset, i) => i > 0 && offset < offsets[i - 1])) {
    return 'the segments of an RLE frame overlap';
  }
  const out = Buffer.allocUnsafeSlow(count * segments);
  for (let segment = 0; segment < segments; segment++) {
    const packed = frame.subarray(offsets[segment], offsets[segment + 1]);
    const fault = unpackBits(packed, out, segments - 1 - segment, segments, count);
    if (fault) return `segment ${segment + 1} of an RLE frame ${fault}`;
  }
  return out;
}

/** PackBits into every `stride`-th byte from `start` on; returns what is wrong. */
function unpackBits(
  packed: Uint8Array,
  out: Uint8Array,
  start: number,
  stride: number,
  count: number,
): string | undefined {
  let from = 0;
  let done = 0;
  while (done < count) {
    if (from >= packed.length) return `ends after ${done} of ${count} pixels`;
    const code = packed[from++];
    if (code === 128) continue;
    const length = code < 128 ? code + 1 : 257 - code;
    if (done + length > count) return 'has more pixels than a frame holds';
    if (code < 128) {
      if (from + length > packed.length) return `ends after ${done} of ${count} pixels`;
      for (let i = 0; i < length; i++) out[start + stride * done++] = packed[from++];
    } else {
      if (from >= packed.length) return `ends after ${done} of ${count} pixels`;
      const value = packed[from++];
      for (let i = 0; i < length; i++) out[start + stride * done++] = value;
    }
  }
  // A segment is padded to an even length; more is something else.
  return packed.length - from > 1 ? `holds ${packed.length - from} bytes too many` : undefined;
}
