import { setTimeout as sleep } from 'node:timers/promises';
import { DataError, VoxError } from '../errors.js';

/** A failure of a storage. */
export class StorageFault extends DataError {
  /** @param passing Whether it may be gone when the request is sent again. */
  constructor(
    message: string,
    readonly passing: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** How often a request is sent. */
const attempts = 5;

/** The longest pause before the second attempt, in ms. It doubles with each further one. */
const firstPause = 200;

/** Waits before another attempt: a random time, so that many clients do not come back together. */
async function pause(attempt: number, signal?: AbortSignal): Promise<void> {
  await sleep(Math.random() * firstPause * 2 ** attempt, undefined, { signal });
}

/** Calls `work` again, after a pause, if it fails by something that may pass. */
export async function retried<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (signal?.aborted || !mayPass(error) || attempt + 1 === attempts) throw error;
      await pause(attempt, signal);
    }
  }
}

/**
 * Streams a range of bytes. If the stream breaks off or ends early, it continues from there.
 *
 * @param open Opens a stream of the bytes from `start` on.
 * @param name What errors call the file.
 * @throws StorageFault if no further byte arrives after some attempts, or if there are more bytes than asked
 * for.
 */
export async function* continued(
  { start, end }: { readonly start: number; readonly end: number },
  name: string,
  open: (start: number, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let at = start;
  for (let attempt = 0; at < end; attempt++) {
    const stall = new StallTimer(name);
    try {
      const either = signal ? AbortSignal.any([signal, stall.signal]) : stall.signal;
      for await (const chunk of await open(at, either)) {
        stall.restart();
        if (chunk.length === 0) continue;
        if (at + chunk.length > end) {
          throw new StorageFault(
            `${name} sends more bytes than it should have (${end}). Its server is faulty.`,
            false,
          );
        }
        at += chunk.length;
        attempt = 0;
        yield chunk;
      }
      if (at < end) {
        throw new StorageFault(`${name} cannot be read: it ended after ${at} of ${end} bytes.`, true);
      }
    } catch (thrown) {
      const error = stall.signal.aborted ? stall.signal.reason : thrown;
      if (signal?.aborted || !mayPass(error) || attempt + 1 >= attempts) throw error;
      await pause(attempt, signal);
    } finally {
      stall.stop();
    }
  }
}

/** Time without a byte after which a connection counts as lost, in ms. */
const stallTime = 60_000;

/** Aborts its signal if it is not restarted in time. */
class StallTimer {
  readonly #abort = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(name: string) {
    const message = `${name} cannot be read: no data arrived for ${stallTime / 1000} s.`;
    this.#timer = setTimeout(() => this.#abort.abort(new StorageFault(message, true)), stallTime);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  restart(): void {
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** Errors without a sentence come from the middle of a stream, e.g. a lost connection. */
function mayPass(error: unknown): boolean {
  return error instanceof StorageFault ? error.passing : !(error instanceof VoxError);
}
