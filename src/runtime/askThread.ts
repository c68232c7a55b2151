import '../onnx/noTelemetry.js';
import { Worker } from 'node:worker_threads';
import { ModelError } from '../errors.js';

/** A message by which a thread says that a request failed. */
interface Failure {
  readonly kind: 'failed';
  readonly message: string;
}

/**
 * A worker thread that answers requests one after the other, in the order they come. Its first message is that it is ready. It
 * does not keep the process alive while it has nothing to do.
 */
export class AskThread<Request, Reply extends { readonly kind: string }> {
  /** Its first message. Rejected when the thread cannot start. */
  readonly ready: Promise<Exclude<Reply, Failure>>;
  readonly #worker: Worker;
  /** Those who wait for an answer, in the order they asked. */
  readonly #pending: {
    resolve: (reply: Exclude<Reply, Failure>) => void;
    reject: (error: Error) => void;
  }[] = [];
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
      const pending = this.#pending.shift();
      if (this.#pending.length === 0) this.#worker.unref();
      if (reply.kind === 'failed') pending?.reject(fault((reply as Failure).message));
      else pending?.resolve(reply as Exclude<Reply, Failure>);
    });
    const end = (why: string) => {
      this.#ended ??= new ModelError(`The thread of ${about} ended: ${why}.`);
      for (const { reject } of this.#pending.splice(0)) reject(this.#ended);
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

  #reply(): Promise<Exclude<Reply, Failure>> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject });
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
