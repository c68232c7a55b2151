import { processors } from '../machine.js';
import { reportOrt } from '../onnx/ortHere.js';
import { AskThread } from './askThread.js';
import { deviceSessions } from './deviceSessions.js';
import { modelFault } from './modelChecks.js';
import type { SessionReply, SessionRequest, SessionSetup } from './sessionMessages.js';
import { answerWithin } from './stuck.js';

/** A worker thread that holds one session, from `open` on. */
export class SessionThread extends AskThread<SessionRequest, SessionReply> {
  #setup: SessionSetup | undefined;

  /** Starts the thread, which loads ONNX Runtime. */
  constructor() {
    super(
      new URL('./sessionWorker.js', import.meta.url),
      undefined,
      () => this.#setup?.file ?? 'a model',
      (error) => (this.#setup ? modelFault(this.#setup, error) : error),
    );
    this.ready.then(
      (started) => reportOrt(expectReply(started, 'started').ort),
      // A thread that cannot start does not open its session either.
      () => {},
    );
  }

  /** Creates the session within `limit` seconds. A thread that fails to is ended. */
  async open(setup: SessionSetup, limit: number): Promise<ReplyOf<'opened'>> {
    this.#setup = setup;
    try {
      const opened = await answerWithin(limit, this, this.ask({ kind: 'open', setup }), setup.file);
      return expectReply(opened, 'opened');
    } catch (error) {
      if (!this.ended) await this.close();
      throw error;
    }
  }
}

export type ReplyOf<K extends SessionReply['kind']> = Extract<SessionReply, { kind: K }>;

export function expectReply<K extends SessionReply['kind']>(reply: SessionReply, kind: K): ReplyOf<K> {
  if (reply.kind === kind) return reply as ReplyOf<K>;
  throw new Error(`A session thread answered "${reply.kind}" instead of "${kind}".`);
}

/** Threads that no model has asked for yet, and how many more are to start. */
const early: SessionThread[] = [];
let missing = 0;

/**
 * Starts the session threads of a CPU before a model asks for them: each takes about 0.1 s to load its code.
 * One processor is left to the main thread, so on two processors they start one after the other. The next
 * `startSessionThreads` returns those that have been started.
 */
export function startEarly(): void {
  missing = deviceSessions('cpu').length;
  for (let i = 0; i < Math.max(1, processors - 1); i++) startNext();
}

function startNext(): void {
  if (missing === 0) return;
  missing--;
  const thread = new SessionThread();
  early.push(thread);
  thread.ready.then(startNext, () => {});
}

/** Starts as many threads as a device has sessions, before it is known which model they will run. */
export function startSessionThreads(device: string): SessionThread[] {
  const { length } = deviceSessions(device);
  const started = early.splice(0, length).filter(({ ended }) => !ended);
  void endEarly();
  return [...started, ...Array.from({ length: length - started.length }, () => new SessionThread())];
}

/** Ends the threads of `startEarly` that no model has asked for. */
export function endEarly(): Promise<void> {
  missing = 0;
  return endThreads(early.splice(0));
}

/** Ends threads that no loaded model has. */
export async function endThreads(threads: readonly SessionThread[]): Promise<void> {
  await Promise.all(threads.map((thread) => thread.close()));
}
