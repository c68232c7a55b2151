import { rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** A lock that this process holds. */
export interface HeldLock {
  /** Aborted when the lock is gone: somebody removed it, or another process took it over. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/** How long a lock is watched before it counts as abandoned. */
export interface Patience {
  /** Milliseconds between two signs of life of a lock, 1000 or more. */
  readonly update: number;
  /** Milliseconds without renewal after which a lock counts as abandoned, 2000 or more. */
  readonly stale: number;
  /** Aborting it ends the watch; the lock then counts as held. */
  readonly signal?: AbortSignal;
  /** Called once if the lock has to be watched. */
  readonly onWait?: () => void;
}

/** The folder that is the lock of a path. */
export const lockPath = (path: string): string => `${path}.lock`;

/**
 * Takes the lock of a path: a folder, `PATH.lock`, whose modification time is renewed every `update`
 * milliseconds. A lock that exists is respected whatever its age is; see `isAbandoned`.
 *
 * @returns Undefined if somebody holds the lock.
 */
export async function takeLock(path: string, update: number): Promise<HeldLock | undefined> {
  // Loaded when it is needed: it listens for signals, and patches functions of node:fs.
  const { lock } = await import('proper-lockfile');
  const lost = new AbortController();
  try {
    // By default, the library judges the age of locks by the system's clock, which may jump.
    const stale = Number.POSITIVE_INFINITY;
    const release = await lock(path, { stale, update, realpath: false, onCompromised: () => lost.abort() });
    return {
      lost: lost.signal,
      async release() {
        if (!lost.signal.aborted) await release();
      },
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOCKED') return undefined;
    throw error;
  }
}

/**
 * Watches a lock until it is renewed, gone, or was not renewed for too long, by a clock that does not jump:
 * `stale` milliseconds, or two updates if its age is not plausible, i.e. more than `stale` or in the future.
 *
 * @returns Whether the lock may be taken. An abandoned one is removed.
 */
export async function isAbandoned(
  path: string,
  { update, stale, signal, onWait }: Patience,
): Promise<boolean> {
  const lock = lockPath(path);
  const first = await modifiedAt(lock);
  const since = performance.now();
  for (let waited = false; ; waited = true) {
    const modified = await modifiedAt(lock);
    if (modified === undefined) return true;
    if (modified !== first || signal?.aborted) return false;
    const isPlausible = Math.abs(Date.now() - modified) < stale;
    if (performance.now() - since > (isPlausible ? stale : Math.min(stale, 2 * update))) {
      await rm(lock, { recursive: true, force: true });
      return true;
    }
    if (!waited) onWait?.();
    await sleep(Math.min(500, stale / 4), undefined, { signal }).catch(() => {});
  }
}

/** When a lock was last renewed, in ms since 1970; undefined if there is none. */
export async function modifiedAt(lock: string): Promise<number | undefined> {
  try {
    return (await stat(lock)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
