import { appendFileSync, existsSync, rmSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/**
 * Something that a voxstream process does to itself or its files as soon as it has printed an event
 * (`--json`). A test that reacts to events from outside may come too late on a busy machine; this cannot.
 */
export interface Action {
  /** The fields of the event, e.g. `{ event: 'caseDone', case: 'ct_00' }`. Without fields, any event. */
  readonly at: Readonly<Record<string, unknown>>;
  /** Which of the matching events, counted from 1. Default: 1. */
  readonly nth?: number;
  /** A signal to send to the process. */
  readonly signal?: NodeJS.Signals;
  /** Milliseconds until the signal is sent. Default: 0, which means before anything else happens. */
  readonly delay?: number;
  /** A file to remove. */
  readonly remove?: string;
  /** A file to append some bytes to. */
  readonly extend?: string;
  /** A file to wait for. The main thread does nothing else until it exists. */
  readonly waitFor?: string;
}

const variable = 'VOXSTREAM_TEST_ACTIONS';

/** The environment of a process that acts at events: it makes Node load this module first. */
export function actAtEvents(actions: readonly Action[]): NodeJS.ProcessEnv {
  return { NODE_OPTIONS: `--import=${import.meta.url}`, [variable]: JSON.stringify(actions) };
}

function act({ signal, delay = 0, remove, extend, waitFor }: Action): void {
  if (remove) rmSync(remove);
  if (extend) appendFileSync(extend, 'more');
  while (waitFor && !existsSync(waitFor)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  if (signal && delay > 0) setTimeout(() => process.kill(process.pid, signal), delay);
  else if (signal) process.kill(process.pid, signal);
}

const actions: readonly Action[] = JSON.parse(process.env[variable] ?? '[]');
if (isMainThread && actions.length > 0) {
  const seen = new Map<Action, number>();
  const { stdout } = process;
  const write = stdout.write.bind(stdout) as (chunk: unknown, ...rest: unknown[]) => boolean;
  stdout.write = (chunk: unknown, ...rest: unknown[]) => {
    const flowing = write(chunk, ...rest);
    for (const line of String(chunk).split('\n').filter(Boolean)) {
      const event: Record<string, unknown> = JSON.parse(line);
      for (const action of actions) {
        if (!Object.entries(action.at).every(([field, value]) => event[field] === value)) continue;
        seen.set(action, (seen.get(action) ?? 0) + 1);
        if (seen.get(action) === (action.nth ?? 1)) act(action);
      }
    }
    return flowing;
  };
}
