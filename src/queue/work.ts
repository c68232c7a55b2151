import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'bullmq';
import { messageOf, OptionError, VoxError } from '../errors.js';
import type { ObservedEvent } from '../observe/events.js';
import type { RunEvent } from '../pipeline/events.js';
import type { Pipeline } from '../pipeline/types.js';
import type { Runtime } from '../runtime/runtime.js';
import { version } from '../version.js';
import { checkVersion } from './checkSame.js';
import { collect } from './collect.js';
import { isOutOfMemory, loadBullmq, type RedisLink } from './redis.js';
import { Results } from './results.js';
import type { RunSpec } from './spec.js';
import { type Counts, prefix, type QueuedRun, Store } from './store.js';
import { type Patience, RunWorker } from './workRun.js';

/** Where an event of a worker comes from. */
export interface WorkPlace {
  readonly worker: string;
  /** Undefined for an event that belongs to no run. */
  readonly run?: RunSpec;
}

/** How a worker is run. */
export interface WorkOptions extends Patience {
  /** The run to work on. Default: all, the most urgent one first. */
  readonly run?: string;
  /** End when no run has a case left. Default: wait for more. */
  readonly exitWhenDone?: boolean;
  /** Loads the pipeline of a run. */
  readonly load: (spec: RunSpec) => Promise<Pipeline>;
  /** Aborting it ends the worker: open cases are given back at once. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: ObservedEvent, place: WorkPlace) => void;
  /** Called with the runtime of each run that it works on, and with undefined when that is closed. */
  readonly onRuntime?: (runtime: Runtime | undefined) => void;
  /** Called every few seconds with the runs of the queue. */
  readonly onCounts?: (counts: readonly (Counts & { readonly run: string })[]) => void;
}

/** What a worker did. */
export interface WorkResult {
  readonly worker: string;
  readonly done: number;
  readonly failed: number;
  /** True if all its runs are over; false if it was stopped or asked to leave. */
  readonly over: boolean;
}

/**
 * Works on the cases of a queue. The models of a run stay loaded as long as it has cases. When the last case
 * of a run ends, the worker that notices first writes the run's tables.
 *
 * @throws OptionError if the run that `run` names does not exist, was submitted by another version, or has
 * another pipeline or other models than this worker.
 */
export async function work(link: RedisLink, options: WorkOptions): Promise<WorkResult> {
  const worker = new QueueWorker(new Store(link), options);
  return worker.run();
}

class QueueWorker {
  readonly id = `${hostname()}-${process.pid}-${randomBytes(2).toString('hex')}`;
  /** BullMQ's workers, which give cases of dead workers back, by run. */
  readonly #bulls = new Map<string, Worker>();
  /** Runs that this worker cannot work on, by key. */
  readonly #refused = new Set<string>();
  readonly #stop = new AbortController();
  #started = 0;
  #done = 0;
  #failed = 0;
  #current: { readonly run: QueuedRun; readonly work: RunWorker } | undefined;
  #beating: NodeJS.Timeout | undefined;

  constructor(
    readonly store: Store,
    readonly options: WorkOptions,
  ) {}

  async run(): Promise<WorkResult> {
    const { signal, run: name, stalledAfter } = this.options;
    signal.addEventListener('abort', () => this.#stop.abort(), { once: true });
    if (signal.aborted) this.#stop.abort();
    try {
      this.#started = await this.store.now();
      if (name !== undefined) checkVersion((await this.store.run(name)).spec);
      await this.#beat().catch((error) => this.#waitForMemory(error));
      this.#beating = setInterval(() => void this.#beat().catch(() => {}), (stalledAfter * 1000) / 8);
      const over = await this.#loop();
      return { worker: this.id, done: this.#done, failed: this.#failed, over };
    } finally {
      clearInterval(this.#beating);
      await this.#close();
    }
  }

  /** Returns true when all runs are over, and false when the worker has to leave. */
  async #loop(): Promise<boolean> {
    while (!this.#stop.signal.aborted) {
      const over = await this.#round().catch((error) => this.#waitForMemory(error));
      if (over !== undefined) return over;
    }
    return false;
  }

  /** Waits a while after an error of a server whose memory is full. Throws all others. */
  async #waitForMemory(error: unknown): Promise<undefined> {
    if (!isOutOfMemory(error)) throw error;
    const message = 'The queue has no memory left (maxmemory). Waiting until it has.';
    this.options.onEvent({ event: 'warning', message }, { worker: this.id });
    await sleep(2000, undefined, { signal: this.#stop.signal }).catch(() => {});
  }

  /** Looks once for work, and does it. Returns what `#loop` returns when it is over. */
  async #round(): Promise<boolean | undefined> {
    const { run: name, exitWhenDone } = this.options;
    const runs = await this.#runs();
    if (runs.length > 0 && runs.every(({ drained }) => drained > this.#started)) return false;
    const open: { run: QueuedRun; counts: Counts; paused: boolean }[] = [];
    for (const run of runs) {
      if (run.state !== 'open' || this.#refused.has(run.key) || run.drained > this.#started) continue;
      const counts = await this.store.counts(run);
      const rest = counts.waiting + counts.active + counts.delayed;
      if (rest === 0 && !run.collected) await this.#collect(run);
      if (rest === 0) continue;
      await this.#bull(run);
      open.push({ run, counts, paused: await (await this.store.queue(run.key)).isPaused() });
    }
    this.options.onCounts?.(open.map(({ run, counts }) => ({ run: run.spec.name, ...counts })));
    const next = open.find(({ counts, paused }) => !paused && counts.waiting + counts.delayed > 0);
    if (next) await this.#work(next.run);
    else if (open.length === 0 && exitWhenDone && runs.every(({ state }) => state !== 'submitting')) {
      return true;
    } else await sleep(500, undefined, { signal: this.#stop.signal }).catch(() => {});
    if (name !== undefined && runs.some(({ state }) => state === 'cancelled')) return true;
    return undefined;
  }

  async #runs(): Promise<QueuedRun[]> {
    const { run: name } = this.options;
    return name === undefined ? this.store.runs() : [await this.store.run(name)];
  }

  /** Works on a run until it has no cases left, or there is something more urgent. */
  async #work(run: QueuedRun): Promise<void> {
    const { load, onEvent, onRuntime, run: name } = this.options;
    const place: WorkPlace = { worker: this.id, run: run.spec };
    let opened: RunWorker;
    try {
      checkVersion(run.spec);
      opened = await RunWorker.open({
        store: this.store,
        run,
        pipeline: await load(run.spec),
        worker: this.id,
        bull: await this.#bull(run),
        patience: this.options,
        isAlive: (worker) => this.#isAlive(worker),
        abandon: this.#stop.signal,
        listener: {
          onEvent: (event) => {
            if (event.event === 'caseDone') this.#done++;
            if (event.event === 'caseFailed') this.#failed++;
            onEvent(event, place);
          },
          onRuntime: (runtime) => onRuntime?.(runtime),
        },
      });
    } catch (error) {
      if (name !== undefined || !(error instanceof VoxError)) throw error;
      // Other runs are not concerned.
      this.#refused.add(run.key);
      onEvent({ event: 'warning', message: `${messageOf(error)} This worker leaves the run alone.` }, place);
      return;
    }
    this.#current = { run, work: opened };
    const { engine } = opened;
    const watching = new AbortController();
    try {
      onEvent(startOf(run, engine.inFlight, engine.memory, engine.runtime), place);
      await this.#beat();
      await Promise.all([
        opened.cases().finally(() => watching.abort()),
        this.#watch(run, opened, watching.signal),
      ]);
    } finally {
      this.#current = undefined;
      await opened.close();
    }
  }

  /** Watches what happens to a run, and ends the work on it. */
  async #watch(run: QueuedRun, opened: RunWorker, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await sleep(500, undefined, { signal: ended }).catch(() => {});
      if (ended.aborted) return;
      const now = await this.store.find(run.spec.name);
      if (!now || now.key !== run.key || now.state === 'cancelled') {
        // Its open cases are no longer wanted.
        opened.abandonAll();
        return;
      }
      const counts = await this.store.counts(run);
      this.options.onCounts?.([{ run: run.spec.name, ...counts }]);
      const paused = await (await this.store.queue(run.key)).isPaused();
      const over = counts.waiting + counts.delayed === 0 && counts.active <= opened.open && opened.open === 0;
      if (now.drained > this.#started || paused || over || (await this.#urgent(run))) {
        opened.leave();
        return;
      }
    }
  }

  /** Whether a run with a higher priority has cases to take. */
  async #urgent({ key, spec }: QueuedRun): Promise<boolean> {
    if (this.options.run !== undefined) return false;
    for (const other of await this.store.runs()) {
      if (other.spec.priority <= spec.priority) return false;
      if (other.key === key || other.state !== 'open' || this.#refused.has(other.key)) continue;
      if ((await this.store.counts(other)).waiting === 0) continue;
      if (!(await (await this.store.queue(other.key)).isPaused())) return true;
    }
    return false;
  }

  /** Writes the tables of a run whose last case has ended, unless another worker does it. */
  async #collect(run: QueuedRun): Promise<void> {
    const { load, onEvent, run: name } = this.options;
    const place: WorkPlace = { worker: this.id, run: run.spec };
    if (!(await this.store.claim(run.key, this.id, 600))) return;
    try {
      checkVersion(run.spec);
      const onWarning = (message: string) => onEvent({ event: 'warning', message }, place);
      const pipeline = await load(run.spec);
      const { problems, open } = await collect(new Results(run.spec.output), run.spec, pipeline, onWarning);
      for (const problem of problems) onWarning(problem);
      if (open > 0) {
        throw new OptionError(
          `The queue says that the run ${run.spec.name} is over, but ${run.spec.output} lacks the results of ${open} ` +
            'case(s). Submit the run again with --resume.',
        );
      }
      await this.store.set(run.key, { collected: '1' });
    } catch (error) {
      if (name !== undefined || !(error instanceof VoxError)) throw error;
      this.#refused.add(run.key);
      onEvent({ event: 'warning', message: messageOf(error) }, place);
    } finally {
      await this.store.unclaim(run.key);
    }
  }

  /** BullMQ's worker for a run. While it exists, it gives cases of dead workers back. */
  async #bull({ key }: QueuedRun): Promise<Worker> {
    const known = this.#bulls.get(key);
    if (known) return known;
    const { Worker } = await loadBullmq();
    const { stalledAfter } = this.options;
    const bull = new Worker(key, null, {
      connection: this.store.link.redis,
      prefix,
      autorun: false,
      skipLockRenewal: true,
      lockDuration: stalledAfter * 1000,
      stalledInterval: stalledAfter * 500,
      // Deaths of workers are counted here: a lost connection is none.
      maxStalledCount: 1_000_000,
      removeOnComplete: { count: 0 },
    });
    bull.on('error', () => {});
    await bull.startStalledCheckTimer();
    this.#bulls.set(key, bull);
    return bull;
  }

  /** Whether another worker shows a sign of life, for which it gets half the time of a lock. */
  async #isAlive(id: string): Promise<boolean> {
    const until = performance.now() + this.options.stalledAfter * 500;
    const first = await this.store.worker(id);
    if (!first || first.left) return false;
    for (;;) {
      const now = await this.store.worker(id);
      if (now && now.seen > first.seen) return true;
      if (performance.now() > until || this.#stop.signal.aborted) return false;
      await sleep(Math.min(250, this.options.stalledAfter * 50));
    }
  }

  async #beat(left = false): Promise<void> {
    const current = this.#current;
    await this.store.writeWorker({
      id: this.id,
      host: hostname(),
      pid: process.pid,
      version,
      device: current?.work.engine.runtime.device ?? '',
      ...(current && { run: current.run.spec.name }),
      started: this.#started,
      seen: await this.store.now(),
      open: current?.work.open ?? 0,
      done: this.#done,
      failed: this.#failed,
      ...(left && { left }),
    });
  }

  async #close(): Promise<void> {
    // A connection that is lost must not keep the process from ending.
    const late = sleep(5000, undefined, { ref: false });
    const closing = async () => {
      // A server without memory refuses it.
      await this.#beat(true).catch(() => {});
      for (const bull of this.#bulls.values()) await bull.close(true);
      await this.store.close();
    };
    await Promise.race([closing().catch(() => {}), late]);
    await this.store.link.close();
  }
}

function startOf(
  { spec }: QueuedRun,
  inFlight: number,
  memory: number,
  { device, deviceNote }: { readonly device: string; readonly deviceNote: string | undefined },
): RunEvent {
  const { name, output, cases } = spec;
  return { event: 'start', pipeline: name, output, cases, inFlight, memory, device, deviceNote, steps: [] };
}
