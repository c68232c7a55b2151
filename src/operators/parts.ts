import type { Runtime } from '../runtime/runtime.js';

/**
 * Splits work on `count` slices into one part per worker thread, waits for all of them and returns their
 * results in order.
 */
export function inParts<T>(
  runtime: Runtime,
  count: number,
  work: (from: number, to: number) => Promise<T>,
): Promise<T[]> {
  const parts = Math.max(1, Math.min(runtime.lanes.cpu.width, count));
  const edge = (part: number) => Math.round((count * part) / parts);
  return Promise.all(Array.from({ length: parts }, (_, part) => work(edge(part), edge(part + 1))));
}
