import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { onAllocate } from '../volume/volume.js';

// V8 does not count shared memory when it decides whether to collect garbage, and a thread that works on
// volumes makes little other garbage. Unused volumes would pile up: 70 MiB with each case of a dataset. So
// each thread collects when enough voxels have passed through it. A full collection takes 5 to 15 ms;
// collecting only young objects takes 0.1 ms but frees too few volumes.

/** Bytes that pass through a thread before it collects. */
const limit = 32 << 20;

let counted = 0;
let due: NodeJS.Immediate | undefined;
let collect: (() => void) | undefined;

/** Collects garbage in this thread from now on, as voxel arrays are allocated or counted by `countShared`. */
export function collectGarbage(): void {
  collect ??= findCollector();
  onAllocate(countShared);
}

/**
 * Counts bytes on SharedArrayBuffers that this thread receives or hands out. Above the limit, garbage is
 * collected when the thread is next idle, or at once if it is never idle. Does nothing before
 * `collectGarbage` was called.
 */
export function countShared(bytes: number): void {
  if (!collect) return;
  counted += bytes;
  if (counted >= 8 * limit) collectShared();
  else if (counted >= limit) due ??= setImmediate(collectShared);
}

function collectShared(): void {
  clearImmediate(due);
  due = undefined;
  counted = 0;
  collect?.();
}

/** V8's collector. It is a global function of contexts that are created after the flag was set. */
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
