import { OptionError } from '../errors.js';
import { Results } from './results.js';
import type { Store } from './store.js';

/** Lets no more cases of a run start. Open ones are finished. */
export async function pause(store: Store, name: string): Promise<void> {
  const run = await store.run(name);
  await (await store.queue(run.key)).pause();
}

/** Lets the cases of a paused run start again. */
export async function resume(store: Store, name: string): Promise<void> {
  const run = await store.run(name);
  await (await store.queue(run.key)).resume();
}

/** Asks all workers to finish their open cases and leave. Returns how many there are. */
export async function drain(store: Store, name?: string): Promise<number> {
  const runs = name === undefined ? await store.runs() : [await store.run(name)];
  if (runs.length === 0) throw new OptionError('The queue holds no runs, so there are no workers to ask.');
  const now = await store.now();
  for (const { key } of runs) await store.set(key, { drained: String(now) });
  const names = new Set(runs.map(({ spec }) => spec.name));
  const workers = await store.workers(now);
  return workers.filter(({ left, run }) => !left && (run === undefined || names.has(run))).length;
}

/**
 * Ends a run: waiting cases are removed, open ones are abandoned. Results stay in the run's folder. A run
 * that is over is removed from the queue.
 */
export async function cancel(store: Store, name: string): Promise<'cancelled' | 'removed'> {
  const run = await store.run(name);
  const { waiting, active, delayed } = await store.counts(run);
  const over = run.state !== 'open' || waiting + active + delayed === 0;
  await new Results(run.spec.output).markClosed().catch(() => {});
  if (over) {
    await store.remove(run);
    return 'removed';
  }
  const queue = await store.queue(run.key);
  await queue.pause();
  // Exact now: a paused queue gives no case away.
  const rest = await store.counts(run);
  await store.set(run.key, { state: 'cancelled', removed: String(rest.waiting + rest.delayed) });
  await queue.drain(true);
  return 'cancelled';
}

/** Puts the failed cases of a run on the queue again. Returns how many there were. */
export async function retryFailed(store: Store, name: string): Promise<number> {
  const run = await store.run(name);
  if (run.state !== 'open') {
    throw new OptionError(`The run ${name} was cancelled. Submit it again with --resume.`);
  }
  const queue = await store.queue(run.key);
  const failed = await queue.getFailed();
  if (failed.length === 0) return 0;
  const results = new Results(run.spec.output);
  await results.markOpen(name);
  for (const { data } of failed) await results.forgetFailure(Number(data));
  await store.forgiveKills(run.key);
  await store.set(run.key, { collected: '' });
  await queue.retryJobs({ state: 'failed', count: 1000 });
  return failed.length;
}
