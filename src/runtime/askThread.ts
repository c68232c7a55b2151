import '../onnx/noTelemetry.js';
import { Worker } from 'node:worker_threads';
import { ModelError } from '../errors.js';
import { type ErrorData, fromErrorData } from './threadError.js';

/** A thread's message that a request failed. */
export interface Failure {
  readonly kind: 'failed';
  readonly error: ErrorData;
}

/** The error of a request whose thread ended before it started the request. Another thread may take it. */
export class NotStarted extends ModelError {}

/** Milliseconds that a thread gets to finish its requests when it is closed. */
const patience = 5000;

/** Abandoned threads that are still inside native code, which nothing can interrupt. */
const busy = new Set<Worker>();

/** The number of abandoned threads that are still at work. They keep the process alive. */
export function busyThreads(): number {
  return busy.size;
}

/** Names of errors that are bugs, not answers of ONNX Runtime. */
const bugs = ['TypeError', 'ReferenceError'];

interface Pending<Reply> {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A worker thread that answers requests one after the other, in the order they arrive. Its first message says
 * that it is ready. An idle thread does not keep the process alive.
 *
 * A thread is never terminated while it is at work: ONNX Runtime's binding would abort the whole process.
 */
export class AskThread<Request, Reply extends { readonly kind: string }> {
  /** The thread's first message. Rejected when the thread cannot start. */
  readonly ready: Promise<Exclude<Reply, Failure>>;
  readonly #worker: Worker;
  /** The callers that wait for an answer, in the order they asked. */
  readonly #pending: Pending<Exclude<Reply, Failure>>[] = [];
  /** Answers that are still to come, including those that nobody waits for any more. */
  #outstanding = 0;
  #ended: Error | undefined;

  /**
   * @param module The thread's code.
   * @param data The thread's `workerData`.
   * @param about Says what the thread works on, for messages.
   * @param fault Words the error of a failed request. Bugs (e.g. a TypeError) are passed on as they are.
   */
  constructor(module: URL, data: unknown, about: () => string, fault: (error: Error) => Error) {
    this.#worker = new Worker(module, { workerData: data });
    this.#worker.on('message', (reply: Reply | Failure) => {
      this.#outstanding--;
      if (this.#outstanding === 0) {
        this.#worker.unref();
        if (this.#ended) void this.#worker.terminate();
      }
      const pending = this.#pending.shift();
      if (isFailure(reply)) {
        const error = fromErrorData(reply.error);
        pending?.reject(bugs.includes(error.name) ? error : fault(error));
      } else pending?.resolve(reply as Exclude<Reply, Failure>);
    });
    const end = (why: string, cause?: Error) => {
      busy.delete(this.#worker);
      this.#outstanding = 0;
      this.#fail(new ModelError(`The thread of ${about()} ended: ${why}.`, { cause }));
    };
    this.#worker.on('error', (error) => end(error.message, error));
    this.#worker.on('exit', (code) => end(`exit code ${code}`));
    this.ready = this.#reply();
  }

  /** Sends a request and waits for its answer. */
  async ask(request: Request, transfer: readonly ArrayBuffer[] = []): Promise<Exclude<Reply, Failure>> {
    if (this.#ended) throw this.#ended;
    this.#worker.ref();
    this.#worker.postMessage(request, [...transfer]);
    return this.#reply();
  }

  /** True when the thread has ended or was abandoned: it takes no more requests. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /**
   * Rejects the current request with `error` at once. The thread ends when it returns from that request.
   * Until then it keeps the process alive: an exit would end it inside native code, and abort.
   */
  abandon(error: Error): void {
    this.#fail(error);
    if (this.#outstanding > 0) busy.add(this.#worker);
    else void this.#worker.terminate();
  }

  /** Ends the thread after it has answered all requests, or abandons it after five seconds. */
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
    for (const { reject } of waiting) reject(new NotStarted(this.#ended.message, { cause: this.#ended }));
  }

  #reply(): Promise<Exclude<Reply, Failure>> {
    this.#outstanding++;
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject });
    });
  }
}

function isFailure(reply: { readonly kind: string }): reply is Failure {
  return reply.kind === 'failed';
}
