import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// V8 leaves shared memory out of the count that makes it collect garbage, and a thread that works on volumes makes little
// garbage of its own, so that volumes nobody needs any more would pile up: 70 MiB with each case of a dataset. So threads
// collect theirs by what they are given. It takes them 5 to 15 ms; collecting young objects alone takes 0.1 but leaves too many.

/** Bytes that come to a thread before it collects. */
const limit = 32 << 20;

let counted = 0;
let due: NodeJS.Immediate | undefined;
let collect: (() => void) | undefined;

/**
 * Counts bytes on SharedArrayBuffers that a thread takes or is given. When enough have come together, garbage is collected as
 * soon as the thread is at leisure, or at once when it comes to none.
 */
export function countShared(bytes: number): void {
  counted += bytes;
  if (counted >= 8 * limit) collectShared();
  else if (counted >= limit) due ??= setImmediate(collectShared);
}

function collectShared(): void {
  clearImmediate(due);
  due = undefined;
  counted = 0;
  collect ??= findCollector();
  collect();
}

/** V8's collector, which a context that is made after the flag was set has as a function. */
function findCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}

/** Bytes of the arrays and volumes among values. */
export function voxelBytes(values: readonly unknown[]): number {
  return values.reduce<number>((sum, value) => {
    const data = ArrayBuffer.isView(value) ? value : (value as { data?: unknown } | undefined)?.data;
    return sum + (ArrayBuffer.isView(data) ? data.byteLength : 0);
  }, 0);
}
