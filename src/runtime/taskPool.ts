import '../onnx/noTelemetry.js';
import type { Piscina } from 'piscina';
import { DataError, messageOf } from '../errors.js';
import { countShared, voxelBytes } from './garbage.js';
import type { TaskAnswer, TaskMessage } from './runTask.js';
import type { Task, TaskFunction } from './task.js';
import { fromErrorData } from './threadError.js';

/** Worker threads that run tasks. They start with the first task, and again after `close`. */
export class TaskPool {
  #piscina: Promise<Piscina> | undefined;

  constructor(
    readonly threads: number,
    readonly settings: { readonly stepTimeout: number; readonly collectGarbage: boolean },
  ) {}

  /** Starts `count` threads before the first task needs them, if none has started yet. */
  start(count: number): void {
    // The first task reports a fault.
    this.#open(count).catch(() => {});
  }

  #open(threads: number): Promise<Piscina> {
    this.#piscina ??= import('piscina').then(
      ({ Piscina }) =>
        new Piscina({
          filename: new URL('./worker.cjs', import.meta.url).href,
          // Keep threads alive: with none, queued tasks hang when a thread dies.
          minThreads: threads,
          maxThreads: this.threads,
          idleTimeout: 60_000,
          atomics: 'disabled',
        }),
    );
    return this.#piscina;
  }

  /** See `Runtime.run`. */
  async run<F extends TaskFunction>(
    { module, name, uninterruptible }: Task<F>,
    args: Parameters<F>,
  ): Promise<Awaited<ReturnType<F>>> {
    const { stepTimeout, collectGarbage } = this.settings;
    const pool = await this.#open(1);
    const message: TaskMessage = { module, name, args, collectGarbage };
    const late = new AbortController();
    const timer = uninterruptible ? undefined : setTimeout(() => late.abort(), stepTimeout * 1000);
    let answer: TaskAnswer;
    try {
      answer = await pool.run(message, { signal: late.signal });
    } catch (error) {
      throw late.signal.aborted ? tooLate(name, stepTimeout) : workerEnded(name, error);
    } finally {
      clearTimeout(timer);
    }
    if (!answer.ok) throw fromErrorData(answer.error);
    countShared(voxelBytes([answer.value]));
    return answer.value as Awaited<ReturnType<F>>;
  }

  async close(): Promise<void> {
    const closing = this.#piscina;
    this.#piscina = undefined;
    await (await closing)?.destroy();
  }
}

function tooLate(task: string, limit: number): DataError {
  return new DataError(
    `The worker thread that ran "${task}" was not done after ${limit} s (runtime.stepTimeout) and was ` +
      'stopped. Run the case again with --resume; if the task does take that long, raise ' +
      'runtime.stepTimeout.',
  );
}

function workerEnded(task: string, error: unknown): DataError {
  if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new DataError(
      `The worker thread that ran "${task}" ran out of memory. Run fewer cases at once (--in-flight 1), or ` +
        'give Node more memory: NODE_OPTIONS=--max-old-space-size=8192 (MiB).',
      { cause: error },
    );
  }
  const why = messageOf(error).replace(/\.$/, '');
  return new DataError(`The worker thread that ran "${task}" ended: ${why}.`, { cause: error });
}
