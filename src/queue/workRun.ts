import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Worker } from 'bullmq';
import { fromEvent, lastValueFrom, takeUntil } from 'rxjs';
import { messageOf } from '../errors.js';
import { nameValues } from '../metrics/columns.js';
import { modelsBeside } from '../models/findModel.js';
import type { ObservedEvent } from '../observe/events.js';
import { writesForCases } from '../pipeline/assemble.js';
import { CaseStreams } from '../pipeline/caseStream.js';
import { type Engine, openEngine } from '../pipeline/engine.js';
import type { Failure, RunEvent } from '../pipeline/events.js';
import { runtimeFor } from '../pipeline/openRun.js';
import { type OutputFolder, openOutput } from '../pipeline/outputFolder.js';
import type { Pipeline } from '../pipeline/types.js';
import type { Runtime } from '../runtime/runtime.js';
import { isRefused, type SourceItem } from '../sources/define.js';
import { checkSame } from './checkSame.js';
import { mayPass } from './mayPass.js';
import { isOutOfMemory } from './redis.js';
import { Results } from './results.js';
import { chunkOf, type QueuedRun, type Store } from './store.js';

/** How a worker treats cases that do not end well. All times are in seconds. */
export interface Patience {
  /** A case of a worker without a sign of life for this long is given to another worker. */
  readonly stalledAfter: number;
  /** How often a case is tried whose failure may pass. */
  readonly attempts: number;
  /** The time before the second try. It is four times as long before each further one. */
  readonly retryDelay: number;
}

/** The number of workers that a case may kill before it is set aside. */
const mostKills = 2;

/** What happens to cases while a worker works on a run. */
export interface RunListener {
  onEvent(event: ObservedEvent): void;
  /** Called with the runtime when it is created, and with undefined when it is closed. */
  onRuntime?(runtime: Runtime | undefined): void;
}

/** What a worker needs to work on a run. */
export interface RunWork {
  readonly store: Store;
  readonly run: QueuedRun;
  readonly pipeline: Pipeline;
  /** The worker's name. */
  readonly worker: string;
  /** BullMQ's worker for the run. */
  readonly bull: Worker;
  readonly patience: Patience;
  readonly listener: RunListener;
  /** Whether another worker has shown a sign of life lately. */
  readonly isAlive: (worker: string) => Promise<boolean>;
  /** Aborting it abandons open cases, and gives them back at once. */
  readonly abandon: AbortSignal;
}

/** A case that this worker has taken. */
interface TakenCase {
  readonly job: Job;
  readonly token: string;
  readonly index: number;
  /** How it ended. Undefined while it is open, and if it was abandoned. */
  outcome?: Outcome;
  /** The error of the case, before it became a sentence. */
  fault?: unknown;
}

type Outcome = { readonly kind: 'done' } | { readonly kind: 'failed' | 'later'; readonly failure: Failure };

/** Works on the cases of one run: its models are loaded as long as this is open. */
export class RunWorker {
  readonly #results: Results;
  readonly #cases: CaseStreams;
  /** The open cases by id. */
  readonly #open = new Map<string, TakenCase>();
  /** The locks that are held, by the id of their job. */
  readonly #locks = new Map<string, string>();
  readonly #chunks = new Map<number, Promise<SourceItem[]>>();
  #renewing: NodeJS.Timeout | undefined;
  #tokens = 0;
  /** When it was last found that no case was waiting, by `performance.now`. */
  #nothingAt = Number.NEGATIVE_INFINITY;
  #leaving = false;
  readonly #abandoned = new AbortController();
  readonly #closed = new AbortController();

  private constructor(
    readonly work: RunWork,
    readonly engine: Engine,
    readonly folder: OutputFolder,
  ) {
    this.#results = new Results(work.run.spec.output);
    if (work.abandon.aborted) this.#abandoned.abort();
    else
      work.abandon.addEventListener('abort', () => this.#abandoned.abort(), { signal: this.#closed.signal });
    const { secrets } = engine.pipeline;
    this.#cases = new CaseStreams(
      {
        ...engine,
        folder,
        contents: false,
        onFault: (id, error) => {
          const taken = this.#open.get(id);
          if (taken) taken.fault = error;
        },
        journal: {
          append: async (entry) => {
            const taken = this.#taken(entry.case);
            await this.#results.done(taken.index, entry, secrets);
            taken.outcome = { kind: 'done' };
          },
        },
        records: {
          failed: (failure) => this.#failed(this.#taken(failure.case), failure),
          done() {},
          nameMetrics: nameValues,
        },
      },
      (event) => this.#tell(event),
    );
    // Three times before a lock expires: one renewal may be late.
    this.#renewing = setInterval(() => void this.#renew(), (work.patience.stalledAfter * 1000) / 3);
  }

  /**
   * Loads the models of a run.
   *
   * @throws OptionError if the pipeline or its models are not those that were submitted; VoxError if they
   * cannot be used.
   */
  static async open(work: RunWork): Promise<RunWorker> {
    const { run, pipeline, listener } = work;
    const onWarning = (message: string) => listener.onEvent({ event: 'warning', message });
    const modelFolders = [...new Set(pipeline.files.map(modelsBeside))];
    const runtime = runtimeFor(pipeline, { modelFolders, onWarning });
    const folder = await openOutput(run.spec.output, { shared: true });
    try {
      const { strict } = run.spec;
      const output = folder.path;
      const sinks = pipeline.sinks.filter(({ built }) => writesForCases(built.targets?.(output) ?? {}));
      const engine = await openEngine(pipeline, { output, runtime, sinks, strict, onWarning });
      checkSame(run.spec, engine);
      listener.onRuntime?.(runtime);
      return new RunWorker(work, engine, folder);
    } catch (error) {
      await folder.release();
      await runtime.close();
      throw error;
    }
  }

  /** The number of cases that are open. */
  get open(): number {
    return this.#open.size;
  }

  /** Abandons the open cases and takes no more. */
  abandonAll(): void {
    this.#abandoned.abort();
  }

  /** Takes no more cases; those that are open are finished. */
  leave(): void {
    this.#leaving = true;
  }

  /** Works until `leave` is called or the work is abandoned, and no case is open any more. */
  async cases(): Promise<void> {
    await Promise.all(Array.from({ length: this.engine.inFlight }, () => this.#slot()));
  }

  async close(): Promise<void> {
    clearInterval(this.#renewing);
    this.#closed.abort();
    this.work.listener.onRuntime?.(undefined);
    await this.engine.close();
    await this.engine.runtime.close();
    await this.folder.release();
  }

  get #stopping(): boolean {
    return this.#leaving || this.#abandoned.signal.aborted;
  }

  /** One place in the window of open cases. */
  async #slot(): Promise<void> {
    while (!this.#stopping) {
      const job = await this.#take();
      if (job) await this.#process(job);
      else await sleep(100);
    }
  }

  /** Takes the next case; undefined if none is waiting. */
  async #take(): Promise<Pick<TakenCase, 'job' | 'token'> | undefined> {
    // All places look together for a new case: a server has many workers.
    if (performance.now() - this.#nothingAt < 300) return undefined;
    const { bull, worker, patience } = this.work;
    const token = `${worker}:${this.#tokens++}`;
    try {
      const job = await bull.getNextJob(token, { block: false });
      if (!job) this.#nothingAt = performance.now();
      else if (job.id) this.#locks.set(job.id, token);
      return job && { job, token };
    } catch (error) {
      this.#warn(`No case could be taken from the queue: ${messageOf(error)}. Trying again.`);
      this.#nothingAt = performance.now() + Math.min(patience.stalledAfter, 5) * 1000;
      return undefined;
    }
  }

  async #process({ job, token }: Pick<TakenCase, 'job' | 'token'>): Promise<void> {
    const { store, run } = this.work;
    const index = Number(job.data);
    const taken: TakenCase = { job, token, index };
    let item: SourceItem | undefined;
    try {
      item = await this.#item(index);
      const again = job.attemptsStarted > 1 || job.stalledCounter > 0;
      if (again && (await this.#results.has(index))) taken.outcome = { kind: 'done' };
      else if (again && (await this.#isPoisonous(taken, item))) {
        // Its outcome is set.
      } else {
        await store.noteOpen(run.key, index, this.work.worker);
        await this.#run(item, taken);
      }
    } catch (error) {
      if (isOutOfMemory(error)) {
        // The queue's fault, not that of the case, which is given back as soon as there is memory.
        return;
      }
      // E.g. the result of the case could not be written. Then the queue alone knows that the case failed.
      const failure = { case: item?.id ?? String(index), step: 'run', message: messageOf(error) };
      taken.outcome = { kind: this.#isLast(job) ? 'failed' : 'later', failure };
      const next = taken.outcome.kind === 'failed' ? 'No tries are left.' : 'It is tried again later.';
      this.#warn(`The result of the case could not be recorded: ${failure.message} ${next}`, item?.id);
    } finally {
      await this.#giveBack(taken);
      this.#locks.delete(job.id ?? '');
    }
  }

  async #run(item: SourceItem, taken: TakenCase): Promise<void> {
    const { index } = taken;
    if (isRefused(item)) {
      const failure = { case: item.id, step: 'source', message: item.refused };
      await this.#failed(taken, failure);
      this.#tell({ event: 'caseFailed', index, ...failure });
      return;
    }
    this.#open.set(item.id, taken);
    try {
      const abandoned = fromEvent(this.#abandoned.signal, 'abort');
      if (this.#abandoned.signal.aborted) return;
      await lastValueFrom(this.#cases.stream({ item, index }).pipe(takeUntil(abandoned)), {
        defaultValue: undefined,
      });
      // A result that is being recorded is recorded whole.
      if (this.#abandoned.signal.aborted) await this.#cases.settled();
      if (!taken.outcome) this.work.listener.onEvent({ event: 'caseGivenBack', case: item.id });
    } finally {
      this.#open.delete(item.id);
    }
  }

  #taken(id: string): TakenCase {
    const taken = this.#open.get(id);
    if (!taken) throw new Error(`The case ${id} is not open.`);
    return taken;
  }

  /** Decides whether a case that failed is tried again later. Otherwise its failure is recorded. */
  async #failed(taken: TakenCase, failure: Failure): Promise<void> {
    if (mayPass(taken.fault) && !this.#isLast(taken.job)) {
      taken.outcome = { kind: 'later', failure };
      return;
    }
    await this.#results.failed(taken.index, failure);
    taken.outcome = { kind: 'failed', failure };
  }

  /** Whether this is the last try of a case. */
  #isLast({ attemptsStarted }: Job): boolean {
    return attemptsStarted >= this.work.patience.attempts;
  }

  /** Whether a case has killed too many workers. Then it is set aside. */
  async #isPoisonous(taken: TakenCase, { id }: SourceItem): Promise<boolean> {
    const { store, run, worker, isAlive } = this.work;
    const before = await store.openedBy(run.key, taken.index);
    if (before === undefined || before === worker || (await isAlive(before))) return false;
    const killed = await store.noteKilled(run.key, taken.index, before);
    if (killed.length < mostKills) return false;
    const message =
      `It was open when the workers ${killed.join(' and ')} died, so it is set aside as poisonous. Look for the ` +
      'reason (a lack of memory, a crash of a library), and try it again with "voxstream retry --failed".';
    const failure = { case: id, step: 'worker', message };
    await this.#results.failed(taken.index, failure);
    taken.outcome = { kind: 'failed', failure };
    this.#tell({ event: 'caseFailed', index: taken.index, ...failure });
    return true;
  }

  /** Tells the queue how a case ended. */
  async #giveBack({ job, token, index, outcome }: TakenCase): Promise<void> {
    const { store, run, patience } = this.work;
    const tell = async () => {
      if (!outcome) await job.moveToWait(token);
      else if (outcome.kind === 'done') await job.moveToCompleted('', token, false);
      else if (outcome.kind === 'failed') await job.moveToFailed(reasonOf(outcome.failure), token, false);
      else {
        const seconds = Math.min(patience.retryDelay * 4 ** (job.attemptsStarted - 1), 3600);
        await job.moveToDelayed(Date.now() + seconds * 1000, token);
      }
      await store.noteClosed(run.key, index);
    };
    // A connection that is lost must not keep a worker from ending.
    const late = this.#abandoned.signal.aborted ? [sleep(5000, undefined, { ref: false })] : [];
    for (;;) {
      try {
        await Promise.race([tell(), ...late]);
        return;
      } catch (error) {
        if (!isOutOfMemory(error) || this.#abandoned.signal.aborted) {
          // Its lock expired, and another worker has it: the result of the case is the same.
          this.#warn(`Case ${index} was given to another worker meanwhile (${messageOf(error)}).`);
          return;
        }
        this.#warn('The queue has no memory left (maxmemory). Waiting until it has.');
        await sleep(2000);
      }
    }
  }

  /** Renews the locks of all cases that this worker has. */
  async #renew(): Promise<void> {
    if (this.#locks.size === 0) return;
    const { bull, patience } = this.work;
    const [ids, tokens] = [[...this.#locks.keys()], [...this.#locks.values()]];
    // A lock that is lost shows when its case ends.
    await bull.extendJobLocks(ids, tokens, patience.stalledAfter * 1000).catch(() => {});
  }

  /** The case at a position. The chunks that were used last are kept. */
  async #item(index: number): Promise<SourceItem> {
    const { store, run, pipeline } = this.work;
    const { chunk, at } = chunkOf(index);
    let items = this.#chunks.get(chunk);
    if (!items) {
      items = store.items(run.key, chunk, pipeline.source.built);
      this.#chunks.set(chunk, items);
      const [oldest] = this.#chunks.keys();
      if (this.#chunks.size > 8) this.#chunks.delete(oldest);
      items.catch(() => this.#chunks.delete(chunk));
    }
    return (await items)[at];
  }

  #tell(event: RunEvent): void {
    const taken = event.event === 'caseFailed' ? this.#open.get(event.case) : undefined;
    if (event.event === 'caseFailed' && taken?.outcome?.kind === 'later') {
      const { message, step } = event;
      this.work.listener.onEvent({ event: 'caseDelayed', case: event.case, step, message });
    } else this.work.listener.onEvent(event);
  }

  #warn(message: string, subject?: string): void {
    this.work.listener.onEvent({ event: 'warning', message, ...(subject && { case: subject }) });
  }
}

/** A failure for the queue, which keeps the reason but no stack. */
function reasonOf({ step, message }: Failure): Error {
  const error = new Error(`${step}: ${message}`.slice(0, 500));
  error.stack = '';
  return error;
}
