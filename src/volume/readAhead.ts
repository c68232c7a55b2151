import type { VoxelArray } from './volume.js';

/** Numbers per line of a processor's cache, of 64 bytes. */
const line = 16;

/** Where results go, so that the reads are not optimized away. */
const seen = new Float64Array(1);

/**
 * Brings some numbers of an array into the processor's cache. With one read per line of the cache, the
 * processor fetches many lines at once. In a loop that works on each number, it waits for each of them.
 */
export function readAhead(values: VoxelArray, start: number, end: number): void {
  let sum = 0;
  for (let i = start; i < end; i += line) sum += values[i];
  seen[0] = sum;
}
