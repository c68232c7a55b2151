import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { joinPlace } from '../address.js';
import { VoxError } from '../errors.js';
import { listPlace, readSmall, removePlace, statPlace, writePlace } from '../storage/places.js';
import {
  describeProcess,
  type FolderLock,
  type Holder,
  isRunning,
  type LockOptions,
  refusal,
} from './lock.js';

/**
 * Takes an output folder at an address for a run. A run writes a separate object to `.voxstream/lock/`,
 * writes it again every `update` milliseconds, and then looks for others. An object that is not written again
 * for `stale` milliseconds, by the clock of the storage, is removed. Of two runs that start at the same
 * moment, both may be refused.
 *
 * @throws OptionError if another run holds the folder.
 */
export async function lockAddress(output: string, options: LockOptions = {}): Promise<FolderLock> {
  const { stale = 120_000, update = 20_000 } = options;
  const folder = joinPlace(output, '.voxstream', 'lock');
  const own = joinPlace(folder, `${randomBytes(8).toString('hex')}.json`);
  const write = () => writePlace(own, Buffer.from(JSON.stringify(describeProcess())));
  try {
    await clearWay(output, folder, own, write, { ...options, stale });
  } catch (error) {
    await removePlace(own).catch(() => {});
    throw error;
  }
  const lost = new AbortController();
  const renew = async () => {
    // A storage that cannot be reached now may be reached later; others wait long enough.
    const found = await statPlace(own).catch(() => true);
    if (found) await write().catch(() => {});
    else lost.abort(lossOf(output, stale));
  };
  let renewing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    renewing = renewing.then(renew);
  }, update);
  timer.unref();
  return {
    lost: lost.signal,
    async release() {
      clearInterval(timer);
      await renewing;
      await removePlace(own);
    },
  };
}

/** Writes the own object, and waits until no other one shows a sign of life. */
async function clearWay(
  output: string,
  folder: string,
  own: string,
  write: () => Promise<void>,
  { onWait, signal, stale }: LockOptions & { readonly stale: number },
): Promise<void> {
  const first = new Map<string, number>();
  for (let waited = false; ; waited = true) {
    await write();
    const all = await listPlace(folder);
    const now = all.find(({ path }) => path === own)?.modified ?? 0;
    const others = all.filter(({ path }) => path !== own);
    let holder: Holder | undefined;
    for (const { path, modified } of others) {
      holder = await holderIn(path);
      const gone = now - modified > stale || (holder && isRunning(holder) === false);
      if (gone) await removePlace(path);
      else if (
        modified !== (first.get(path) ?? modified) ||
        (holder && isRunning(holder)) ||
        signal?.aborted
      ) {
        throw refusal(output, holder);
      } else first.set(path, modified);
    }
    const left = others.filter(({ path }) => first.has(path));
    const waiting = (await listPlace(folder)).some(({ path }) => left.some((one) => one.path === path));
    if (!waiting) return;
    if (!waited) {
      onWait?.(
        `${output} is locked by another run. Waiting up to ${Math.ceil(stale / 1000)} s to see whether that run is still ` +
          'alive.',
      );
    }
    await sleep(Math.min(2000, stale / 4), undefined, { signal }).catch(() => {});
  }
}

async function holderIn(address: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(String(await readSmall(address)));
  } catch {
    return undefined;
  }
}

function lossOf(output: string, stale: number): VoxError {
  return new VoxError(
    `This run stopped because its lock on ${output} is gone: another run took it over after this one had not renewed it ` +
      `for ${Math.round(stale / 1000)} s. When no other run uses the folder, run again with --resume.`,
  );
}
