import { readFileSync, readlinkSync } from 'node:fs';
import { readFile, realpath, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { OptionError, VoxError } from '../errors.js';
import { type HeldLock, isAbandoned, lockPath, modifiedAt, type Patience, takeLock } from '../fileLock.js';
import { makeFolder, writeFault } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';

/** A run's hold on its output folder. */
export interface FolderLock {
  /**
   * Aborted when the lock was lost: another run has taken the folder over. Its reason is the error to report.
   * The run must stop writing then.
   */
  readonly lost: AbortSignal;
  /** Gives the folder back. */
  release(): Promise<void>;
}

/** How a folder is locked. */
export interface LockOptions {
  /**
   * Called with a sentence when it takes up to two minutes to find out whether an earlier run still uses the
   * folder.
   */
  readonly onWait?: (message: string) => void;
  /** Aborting it ends that wait; the folder then counts as locked. */
  readonly signal?: AbortSignal;
  /** Milliseconds between two signs of life of a lock, 1000 or more. Default: 10 s. */
  readonly update?: number;
  /**
   * Milliseconds without renewal after which a lock counts as abandoned, 2000 or more. Default: 120 s.
   * NFS clients see modification times up to 60 s late.
   */
  readonly stale?: number;
}

/** The process that holds a lock, as noted beside it. */
export interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When it took the lock, ISO 8601. */
  readonly since: string;
  /** See `processSpace`. */
  readonly space?: string;
  /** See `startOf`. */
  readonly started?: string;
}

/** How long the lock is watched that is held while the main lock is judged and taken. */
const starting = { update: 2_000, stale: 10_000 };

/**
 * Takes an output folder for a run: two runs in one folder would overwrite each other's files.
 *
 * The lock is a folder, `.voxstream/run.lock`, whose modification time is renewed every `update`
 * milliseconds. A lock that is not renewed for `stale` milliseconds is taken over. That also works for
 * containers, where neither process numbers nor host names tell whether the holder is still alive. On Linux,
 * a holder on the same machine is looked up among the processes instead, so that a folder is free at once
 * after its run was killed.
 *
 * @throws OptionError when another run holds the folder.
 * @throws DataError when the folder cannot be written to.
 */
export async function lockFolder(output: string, options: LockOptions = {}): Promise<FolderLock> {
  const { stale = 120_000, update = 10_000 } = options;
  try {
    const folder = join(await realpath(output), '.voxstream');
    await makeFolder(folder);
    const holderFile = join(folder, 'holder.json');
    const take = async (name: string, interval: number): Promise<HeldLock> => {
      const taken = await takeLock(join(folder, name), interval);
      if (taken) return taken;
      throw refusal(output, await readHolder(holderFile));
    };

    // Held while the main lock is judged and taken: of two runs that find it abandoned, one would otherwise
    // remove the lock that the other has just taken.
    await clearOldStart(join(folder, 'start'));
    const start = await take('start', starting.update);
    try {
      await clearWay(output, join(folder, 'run'), holderFile, { ...options, stale, update });
      const held = await take('run', update);
      const lost = new AbortController();
      held.lost.addEventListener('abort', () => lost.abort(lossOf(output, stale)));
      await writeFileAside(holderFile, JSON.stringify(describeProcess()));
      return {
        lost: lost.signal,
        async release() {
          if (!lost.signal.aborted) await rm(holderFile, { force: true });
          await held.release();
        },
      };
    } finally {
      await start.release();
    }
  } catch (error) {
    throw error instanceof OptionError ? error : writeFault(output, error);
  }
}

/** Removes the lock of a run that was killed while it started. */
async function clearOldStart(path: string): Promise<void> {
  const modified = await modifiedAt(lockPath(path));
  if (modified === undefined || Math.abs(Date.now() - modified) < starting.stale) return;
  await isAbandoned(path, starting);
}

/**
 * Returns once nobody holds the lock, or its holder is gone; removes the lock of a process that has ended.
 *
 * @throws OptionError when the holder is alive.
 */
async function clearWay(
  output: string,
  path: string,
  holderFile: string,
  options: LockOptions & Pick<Patience, 'stale' | 'update'>,
): Promise<void> {
  if ((await modifiedAt(lockPath(path))) === undefined) return;
  const holder = await readHolder(holderFile);
  const running = holder && isRunning(holder);
  if (running) throw refusal(output, holder);
  if (running === false) {
    await rm(lockPath(path), { recursive: true, force: true });
    return;
  }
  const onWait = () =>
    options.onWait?.(
      `${output} is locked by ${nameOf(holder)}. Waiting up to ${Math.ceil(options.stale / 1000)} s to see ` +
        'whether that run is still alive.',
    );
  if (!(await isAbandoned(path, { ...options, onWait }))) throw refusal(output, holder);
}

function nameOf(holder: Holder | undefined): string {
  return holder
    ? `another run (process ${holder.pid} on ${holder.host}, since ${holder.since})`
    : 'another run that is just starting or ending';
}

export function refusal(output: string, holder: Holder | undefined): OptionError {
  return new OptionError(
    `${output} is in use by ${nameOf(holder)}. Wait until it ends, or give this run another folder with -o.`,
  );
}

function lossOf(output: string, stale: number): VoxError {
  return new VoxError(
    `This run stopped because its lock on ${output} is gone: it was removed, or another run took the ` +
      `folder over after this one had not renewed the lock for ${Math.round(stale / 1000)} s. Was the ` +
      'machine suspended, or the drive unreachable? When no other run uses the folder, run again with ' +
      '--resume.',
  );
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return undefined;
  }
}

export function describeProcess(): Holder {
  return {
    pid: process.pid,
    host: hostname(),
    since: new Date().toISOString(),
    space: processSpace(),
    started: startOf(process.pid),
  };
}

/** True or false where it can be known: on Linux, for processes that this one can see. */
export function isRunning({ pid, space, started }: Holder): boolean | undefined {
  if (space === undefined || started === undefined || space !== processSpace()) return undefined;
  return startOf(pid) === started;
}

/**
 * Linux: names this boot and process namespace. Within it a process is found by its number; a container has
 * its own.
 */
function processSpace(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return undefined;
  }
}

/**
 * Linux: when a process started, in clock ticks since boot; process numbers are used again, this pair is not.
 */
function startOf(pid: number): string | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The 22nd field; the second is the program's name, in parentheses, and may hold blanks.
    return status.slice(status.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
