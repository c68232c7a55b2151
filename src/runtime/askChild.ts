import { fork } from 'node:child_process';

/** The result of asking a child process. */
export type ChildAnswer<T> =
  | { readonly reply: T }
  /** Why there is no reply: a clause without a full stop, e.g. `it gave no answer within 5 s`. */
  | { readonly fault: string };

/** A child's answer, and what the child and its libraries wrote to stderr. */
export type Asked<T> = ChildAnswer<T> & { readonly stderr: string };

/**
 * Runs a module in a child process until it sends its first message by `process.send(reply)`, then ends the
 * process. A crash or a hang of a native library stays in that process.
 *
 * @param seconds How long to wait for the message.
 */
export function askChild<T>(module: URL, args: readonly string[], seconds: number): Promise<Asked<T>> {
  return new Promise((resolve) => {
    const child = fork(module, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] });
    let stderr = '';
    let answer: ChildAnswer<T> | undefined;
    const end = (last: ChildAnswer<T>) => {
      answer ??= last;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(() => end({ fault: `it gave no answer within ${seconds} s` }), seconds * 1000);
    child.stderr?.on('data', (chunk) => (stderr += chunk));
    child.on('message', (reply) => end({ reply: reply as T }));
    child.on('error', (error) => end({ fault: error.message }));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const fault = signal
        ? `its process was ended by ${signal}`
        : `its process ended with exit code ${code}`;
      resolve({ ...(answer ?? { fault }), stderr });
    });
  });
}
