import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes on SharedArrayBuffers that come to a thread before it collects its garbage. */
const limit = 32 << 20;

let counted = 0;
let collectGarbage: (() => void) | undefined;

/**
 * Counts bytes on SharedArrayBuffers that a thread takes or is given, and collects the thread's garbage when enough have come
 * together. V8 leaves shared memory out of the count that makes it collect garbage, and a thread that works on volumes makes
 * little garbage of its own, so that volumes nobody needs any more would pile up: 70 MiB with each case of a dataset.
 */
export function countShared(bytes: number): void {
  counted += bytes;
  if (counted >= limit) collectShared();
}

/** Collects the garbage of a thread that has taken or been given shared memory of some size since it last did. */
export function collectShared(): void {
  if (counted < limit / 16) return;
  counted = 0;
  collectGarbage ??= findCollector();
  collectGarbage();
}

/** V8's collector, which a context that is made after the flag was set has as a function. */
function findCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}
