import type { Vec3, Volume } from './volume.js';

/** A part of an axis: the slices `start` to `end` (exclusive), and those of the result that it gives. */
export interface Slab {
  readonly start: number;
  readonly end: number;
  readonly first: number;
  readonly last: number;
}

/**
 * Slabs of floor(n / count) slices along an axis of `n`, the last one with the rest, extended by `overlap`
 * slices after it and by one less before it. These are the pieces of TotalSegmentator's `force_split`.
 */
export function planSlabs(n: number, count: number, overlap: number): Slab[] {
  const thickness = Math.floor(n / count);
  return Array.from({ length: count }, (_, i) => {
    const first = i * thickness;
    const last = i === count - 1 ? n : first + thickness;
    return {
      start: i === 0 ? 0 : Math.max(0, first + 1 - overlap),
      end: i === count - 1 ? n : Math.min(n, last + overlap),
      first,
      last,
    };
  });
}

/** Copies the slices that a slab gives into the whole volume. */
export function placeSlab(part: Volume, { start, first, last }: Slab, whole: Volume): void {
  const area = part.size[0] * part.size[1];
  const slices = part.data.subarray((first - start) * area, (last - start) * area);
  (whole.data as { set(from: ArrayLike<number>, at: number): void }).set(slices, first * area);
}

/** Whether slabs of a volume are thick enough: no slab's overlap reaches beyond the next one. */
export function fitsSlabs(size: Vec3, count: number, overlap: number): boolean {
  return Math.floor(size[2] / count) >= overlap - 1;
}
