import type { Queue } from 'bullmq';
import { OptionError, unknownName } from '../errors.js';
import type { OpenableSource, SourceItem } from '../sources/define.js';
import { chunkSize, packItems, unpackItems } from './items.js';
import { loadBullmq, type RedisLink, redisFault } from './redis.js';
import { parseSpec, type RunSpec } from './spec.js';

/** The first part of all keys on the server. */
export const prefix = 'vox';

/** How far a queued run is. `submitting` also stands for one whose submission was interrupted. */
export type RunState = 'submitting' | 'open' | 'cancelled';

/** A run on a queue. */
export interface QueuedRun {
  /** A short name, which is part of the key of each case. */
  readonly key: string;
  readonly spec: RunSpec;
  readonly state: RunState;
  /** By the server's clock: workers that started before this time have been asked to leave. 0 if never. */
  readonly drained: number;
  /** Whether the tables have been written since the last case ended. */
  readonly collected: boolean;
  /** The number of cases that were removed when it was cancelled. */
  readonly removed: number;
}

/** The cases of a run by their state. */
export interface Counts {
  readonly waiting: number;
  /** Cases that a worker has taken. */
  readonly active: number;
  /** Cases that wait for their next try. */
  readonly delayed: number;
  readonly failed: number;
  readonly done: number;
}

/** What a worker reports about itself. */
export interface WorkerRecord {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly device: string;
  /** The run that it works on; undefined while it waits. */
  readonly run?: string;
  /** By the server's clock, in ms since 1970. */
  readonly started: number;
  /** Its last sign of life, by the server's clock. */
  readonly seen: number;
  readonly open: number;
  readonly done: number;
  readonly failed: number;
  /** Set when it ended in an orderly way. */
  readonly left?: boolean;
}

/** Workers without a sign of life for this long, in ms, are no longer listed. */
const forgetWorkers = 24 * 3_600_000;

/** The runs, cases and workers of a queue, as they are on its server. */
export class Store {
  readonly #queues = new Map<string, Queue>();

  constructor(readonly link: RedisLink) {}

  /** The server's time in ms since 1970. Clocks of workers may differ. */
  async now(): Promise<number> {
    const [seconds, micros] = await this.link.redis.time();
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  /** BullMQ's queue with the cases of a run. A case is the number of its position in the dataset. */
  async queue(key: string): Promise<Queue> {
    const known = this.#queues.get(key);
    if (known) return known;
    const { Queue } = await loadBullmq();
    const queue = new Queue(key, { connection: this.link.redis, prefix });
    // Errors of the connection are handled where it was made.
    queue.on('error', () => {});
    this.#queues.set(key, queue);
    return queue;
  }

  /** All runs, the most urgent one first: by priority, then by time. */
  async runs(): Promise<QueuedRun[]> {
    const names = await this.link.redis.hgetall(`${prefix}:runs`);
    const runs: QueuedRun[] = [];
    for (const key of Object.values(names)) {
      const run = await this.#read(key);
      if (run) runs.push(run);
    }
    return runs.sort(
      (a, b) => b.spec.priority - a.spec.priority || a.spec.submitted.localeCompare(b.spec.submitted),
    );
  }

  /** A run by its name; undefined if there is none. */
  async find(name: string): Promise<QueuedRun | undefined> {
    const key = await this.link.redis.hget(`${prefix}:runs`, name);
    return key === null ? undefined : this.#read(key);
  }

  /** A run by its name. Throws OptionError if there is none. */
  async run(name: string): Promise<QueuedRun> {
    const run = await this.find(name);
    if (run) return run;
    const names = await this.link.redis.hkeys(`${prefix}:runs`);
    const clause = names.length === 0 ? 'the queue holds no runs.' : unknownName('run', name, names);
    throw new OptionError(`${this.link.address}: ${clause}`);
  }

  async #read(key: string): Promise<QueuedRun | undefined> {
    const fields = await this.link.redis.hgetall(`${prefix}:run:${key}`);
    const { spec, state, drained = '0', collected, removed = '0' } = fields;
    if (spec === undefined) return undefined;
    return {
      key,
      spec: parseSpec(spec, `A run of the queue at ${this.link.address}`),
      state: state as RunState,
      drained: Number(drained),
      collected: collected === '1',
      removed: Number(removed),
    };
  }

  /**
   * Reserves the name of a run. Returns undefined if another run has it.
   */
  async reserve(spec: RunSpec): Promise<string | undefined> {
    const { redis } = this.link;
    const key = (await redis.incr(`${prefix}:next`)).toString(36);
    await redis.hset(`${prefix}:run:${key}`, { spec: JSON.stringify(spec), state: 'submitting' });
    if ((await redis.hsetnx(`${prefix}:runs`, spec.name, key)) === 1) return key;
    await redis.del(`${prefix}:run:${key}`);
    return undefined;
  }

  /** Puts cases on the queue of a run. `todo` has the positions of those that are not done. */
  async add(key: string, items: readonly SourceItem[], todo: readonly number[]): Promise<void> {
    const { redis } = this.link;
    for (const [i, chunk] of packItems(items).entries()) await redis.hset(`${prefix}:items:${key}`, i, chunk);
    const queue = await this.queue(key);
    for (let at = 0; at < todo.length; at += 1000) {
      await queue.addBulk(todo.slice(at, at + 1000).map((index) => ({ name: '', data: index })));
    }
  }

  /** A chunk of cases of a source, with the number that `chunkOf` gives. */
  async items(key: string, chunk: number, source: Pick<OpenableSource, 'fetcher'>): Promise<SourceItem[]> {
    const packed = await this.link.redis.hgetBuffer(`${prefix}:items:${key}`, String(chunk));
    if (packed) return unpackItems(packed, source);
    throw new OptionError(
      `The queue at ${this.link.address} has lost the cases of a run. Submit it again with --resume.`,
    );
  }

  async set(
    key: string,
    fields: Partial<Record<'state' | 'drained' | 'collected' | 'removed', string>>,
  ): Promise<void> {
    await this.link.redis.hset(`${prefix}:run:${key}`, fields);
  }

  async counts({ key, spec, removed }: QueuedRun): Promise<Counts> {
    const queue = await this.queue(key);
    const counts = await queue.getJobCounts('wait', 'active', 'delayed', 'failed');
    const { wait: waiting = 0, active = 0, delayed = 0, failed = 0 } = counts;
    return {
      waiting,
      active,
      delayed,
      failed,
      done: spec.cases - removed - waiting - active - delayed - failed,
    };
  }

  /** Removes a run from the server. Its results stay in its folder. */
  async remove({ key, spec }: Pick<QueuedRun, 'key' | 'spec'>): Promise<void> {
    const queue = await this.queue(key);
    await queue.obliterate({ force: true, count: 10_000 });
    const keys = ['run', 'items', 'open', 'kills'].map((kind) => `${prefix}:${kind}:${key}`);
    await this.link.redis.del(...keys);
    if ((await this.link.redis.hget(`${prefix}:runs`, spec.name)) === key) {
      await this.link.redis.hdel(`${prefix}:runs`, spec.name);
    }
  }

  /** Notes which worker has opened a case. */
  async noteOpen(key: string, index: number, worker: string): Promise<void> {
    await this.link.redis.hset(`${prefix}:open:${key}`, String(index), worker);
  }

  async noteClosed(key: string, index: number): Promise<void> {
    await this.link.redis.hdel(`${prefix}:open:${key}`, String(index));
  }

  /** The worker that opened a case and did not close it. */
  async openedBy(key: string, index: number): Promise<string | undefined> {
    return (await this.link.redis.hget(`${prefix}:open:${key}`, String(index))) ?? undefined;
  }

  /** Notes that a worker died while it had a case open. Returns all workers that did. */
  async noteKilled(key: string, index: number, worker: string): Promise<string[]> {
    const place = [`${prefix}:kills:${key}`, String(index)] as const;
    const earlier = (await this.link.redis.hget(...place))?.split(' ') ?? [];
    const all = [...new Set([...earlier, worker])];
    await this.link.redis.hset(...place, all.join(' '));
    return all;
  }

  /** Forgets which workers died of cases, before these are tried again. */
  async forgiveKills(key: string): Promise<void> {
    await this.link.redis.del(`${prefix}:kills:${key}`);
  }

  async writeWorker(record: WorkerRecord): Promise<void> {
    await this.link.redis.hset(`${prefix}:workers`, record.id, JSON.stringify(record));
  }

  async worker(id: string): Promise<WorkerRecord | undefined> {
    const text = await this.link.redis.hget(`${prefix}:workers`, id);
    return text === null ? undefined : JSON.parse(text);
  }

  /** The workers of the last day. Older records are removed. */
  async workers(now: number): Promise<WorkerRecord[]> {
    const all = await this.link.redis.hgetall(`${prefix}:workers`);
    const records = Object.values(all).map((text): WorkerRecord => JSON.parse(text));
    const old = records.filter(({ seen }) => now - seen > forgetWorkers).map(({ id }) => id);
    if (old.length > 0) await this.link.redis.hdel(`${prefix}:workers`, ...old);
    return records.filter(({ id }) => !old.includes(id)).sort((a, b) => a.started - b.started);
  }

  /**
   * Claims a task of a run for some seconds, so that only one worker does it. Returns false if another one
   * has it.
   */
  async claim(key: string, worker: string, seconds: number): Promise<boolean> {
    return (await this.link.redis.set(`${prefix}:claim:${key}`, worker, 'EX', seconds, 'NX')) === 'OK';
  }

  async unclaim(key: string): Promise<void> {
    await this.link.redis.del(`${prefix}:claim:${key}`);
  }

  async close(): Promise<void> {
    for (const queue of this.#queues.values()) await queue.close();
    await this.link.close();
  }
}

/** The chunk that holds the case at a position. */
export function chunkOf(index: number): { readonly chunk: number; readonly at: number } {
  return { chunk: Math.floor(index / chunkSize), at: index % chunkSize };
}

/** Connects to a queue for one command, whose errors of the server become sentences. */
export async function withStore<Result>(
  link: RedisLink,
  use: (store: Store) => Promise<Result>,
): Promise<Result> {
  const store = new Store(link);
  try {
    return await use(store);
  } catch (error) {
    throw isRedisError(error) ? redisFault(error, link.address) : error;
  } finally {
    await store.close();
  }
}

/** Whether an error is of the server, of the connection or of BullMQ. */
function isRedisError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'ReplyError' || /^Connection is closed|OOM |^Command timed out/.test(error.message);
}
