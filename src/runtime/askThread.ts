import '../onnx/noTelemetry.js';
import { Worker } from 'node:worker_threads';
import { ModelError } from '../errors.js';

/** A message by which a thread says that a request failed. */
interface Failure {
  readonly kind: 'failed';
  readonly message: string;
}

/** What a request fails with whose thread ended before its turn came: it was not begun, and can be asked of another. */
export class NotBegun extends ModelError {}

/** Milliseconds that a thread gets to come to an end when it is to be closed. */
const patience = 5000;

/** Threads that were to end and are still at work, inside native code that nothing can interrupt. */
const busy = new Set<Worker>();

/** How many threads were to end and are still at work. A process that ends itself now would crash. */
export function busyThreads(): number {
  return busy.size;
}

interface Pending<Reply> {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A worker thread that answers requests one after the other, in the order they come. Its first message is that it is ready. It
 * does not keep the process alive while it has nothing to do.
 *
 * It is never terminated while it is at work: ONNX Runtime's binding ends the whole process when its thread is.
 */
export class AskThread<Request, Reply extends { readonly kind: string }> {
  /** Its first message. Rejected when the thread cannot start. */
  readonly ready: Promise<Exclude<Reply, Failure>>;
  readonly #worker: Worker;
  /** Those who wait for an answer, in the order they asked. */
  readonly #pending: Pending<Exclude<Reply, Failure>>[] = [];
  /** Answers that are still to come, to those who wait and to those who no longer do. */
  #outstanding = 0;
  #ended: Error | undefined;

  /**
   * @param module The thread's code.
   * @param data What it is started with.
   * @param about What it works on, for messages.
   * @param fault The error for a request that failed.
   */
  constructor(module: URL, data: unknown, about: string, fault: (message: string) => Error) {
    this.#worker = new Worker(module, { workerData: data });
    this.#worker.on('message', (reply: Reply | Failure) => {
      this.#outstanding--;
      if (this.#outstanding === 0) {
        this.#worker.unref();
        if (this.#ended) void this.#worker.terminate();
      }
      const pending = this.#pending.shift();
      if (reply.kind === 'failed') pending?.reject(fault((reply as Failure).message));
      else pending?.resolve(reply as Exclude<Reply, Failure>);
    });
    const end = (why: string) => {
      busy.delete(this.#worker);
      this.#outstanding = 0;
      this.#fail(new ModelError(`The thread of ${about} ended: ${why}.`));
    };
    this.#worker.on('error', (error) => end(error.message));
    this.#worker.on('exit', (code) => end(`exit code ${code}`));
    this.ready = this.#reply();
  }

  async ask(request: Request, transfer: readonly ArrayBuffer[] = []): Promise<Exclude<Reply, Failure>> {
    if (this.#ended) throw this.#ended;
    this.#worker.ref();
    this.#worker.postMessage(request, [...transfer]);
    return this.#reply();
  }

  /** True when the thread has ended, or was given up: it takes no requests any more. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Gives the thread up: the request it is at fails with `error` now, and it ends as soon as it comes back from it. */
  abandon(error: Error): void {
    this.#fail(error);
    this.#worker.unref();
    if (this.#outstanding > 0) busy.add(this.#worker);
    else void this.#worker.terminate();
  }

  /** Ends the thread, once it has answered what it was asked or some seconds have passed. */
  async close(): Promise<void> {
    const until = performance.now() + patience;
    while (this.#outstanding > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    if (this.#outstanding > 0) this.abandon(new ModelError('The thread was closed while it was at work.'));
    else await this.#worker.terminate();
  }

  #fail(error: Error): void {
    this.#ended ??= error;
    const [current, ...waiting] = this.#pending.splice(0);
    current?.reject(this.#ended);
    for (const { reject } of waiting) reject(new NotBegun(this.#ended.message));
  }

  #reply(): Promise<Exclude<Reply, Failure>> {
    this.#outstanding++;
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject });
    });
  }
}
