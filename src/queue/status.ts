import { type Counts, prefix, type QueuedRun, type Store, type WorkerRecord } from './store.js';

/** A run, as `voxstream status` shows it. */
export interface RunStatus extends Counts {
  readonly name: string;
  /** `over` when all cases ended, `collected` when the tables are written too. */
  readonly state: 'submitting' | 'open' | 'paused' | 'cancelled' | 'over' | 'collected';
  readonly priority: number;
  readonly cases: number;
  readonly output: string;
  readonly submitted: string;
  /** The list on the server whose length is the number of waiting cases, e.g. for KEDA. */
  readonly waitingList: string;
}

/** A worker, as `voxstream status` shows it. */
export interface WorkerStatus extends Omit<WorkerRecord, 'started' | 'seen'> {
  /** Seconds since its last sign of life, by the server's clock. */
  readonly lastSeen: number;
  /** Cases that it finished per hour since it started. */
  readonly casesPerHour: number;
}

/** What a queue holds. */
export interface QueueStatus {
  readonly runs: readonly RunStatus[];
  readonly workers: readonly WorkerStatus[];
}

/** Reads the status of a queue. `run` selects one run. */
export async function queueStatus(store: Store, run?: string): Promise<QueueStatus> {
  const selected = run === undefined ? await store.runs() : [await store.run(run)];
  const runs: RunStatus[] = [];
  for (const one of selected) runs.push(await runStatus(store, one));
  const now = await store.now();
  const workers = await store.workers(now);
  return { runs, workers: workers.map((worker) => workerStatus(worker, now)) };
}

async function runStatus(store: Store, run: QueuedRun): Promise<RunStatus> {
  const { name, priority, cases, output, submitted } = run.spec;
  const counts = await store.counts(run);
  const waitingList = `${prefix}:${run.key}:wait`;
  const state = await stateOf(store, run, counts);
  return { name, state, priority, cases, output, submitted, waitingList, ...counts };
}

async function stateOf(store: Store, run: QueuedRun, counts: Counts): Promise<RunStatus['state']> {
  if (run.state !== 'open') return run.state;
  if (counts.waiting + counts.active + counts.delayed === 0) return run.collected ? 'collected' : 'over';
  return (await (await store.queue(run.key)).isPaused()) ? 'paused' : 'open';
}

function workerStatus({ started, seen, ...worker }: WorkerRecord, now: number): WorkerStatus {
  const hours = (seen - started) / 3_600_000;
  const casesPerHour = hours > 0 ? Math.round(worker.done / hours) : 0;
  return { ...worker, lastSeen: Math.max(0, Math.round((now - seen) / 100) / 10), casesPerHour };
}
