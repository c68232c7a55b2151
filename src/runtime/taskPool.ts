import '../onnx/noTelemetry.js';
import { Piscina } from 'piscina';
import { DataError, messageOf } from '../errors.js';
import { countShared, voxelBytes } from './garbage.js';
import type { TaskAnswer, TaskMessage } from './runTask.js';
import { preloadable, type Task, type TaskFunction, task } from './task.js';
import { fromErrorData } from './threadError.js';

const preloadTask = task<typeof import('./runTask.js').preload>(
  new URL('./runTask.js', import.meta.url),
  'preload',
);

/** Worker threads that run tasks. They start with the first task, and again after `close`. */
export class TaskPool {
  #piscina: Piscina | undefined;

  constructor(
    readonly threads: number,
    readonly settings: { readonly stepTimeout: number; readonly collectGarbage: boolean },
  ) {}

  /** Starts up to `count` threads and has them load the modules of tasks. */
  start(count: number): void {
    // That many tasks at once start that many threads.
    for (let i = 0; i < count; i++) this.run(preloadTask, [preloadable()]).catch(() => {});
  }

  /** See `Runtime.run`. */
  async run<F extends TaskFunction>(
    { module, name, uninterruptible }: Task<F>,
    args: Parameters<F>,
  ): Promise<Awaited<ReturnType<F>>> {
    const { stepTimeout, collectGarbage } = this.settings;
    this.#piscina ??= new Piscina({
      filename: new URL('./worker.cjs', import.meta.url).href,
      // Keep one thread alive: with none, queued tasks hang when a thread dies.
      minThreads: 1,
      maxThreads: this.threads,
      idleTimeout: 60_000,
      atomics: 'disabled',
    });
    const message: TaskMessage = { module, name, args, collectGarbage };
    const late = new AbortController();
    const timer = uninterruptible ? undefined : setTimeout(() => late.abort(), stepTimeout * 1000);
    let answer: TaskAnswer;
    try {
      answer = await this.#piscina.run(message, { signal: late.signal });
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
    await this.#piscina?.destroy();
    this.#piscina = undefined;
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
