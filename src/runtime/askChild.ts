import { fork } from 'node:child_process';

/** What became of a question to a child process. */
export type ChildAnswer<T> =
  | { readonly reply: T }
  /** Why there is no reply: a clause without a full stop. */
  | { readonly fault: string };

/** A child's answer, and what it and the libraries it loaded wrote to stderr. */
export type Asked<T> = ChildAnswer<T> & { readonly stderr: string };

/**
 * Runs a module in a process of its own until it sends its first message, and ends it: a crash or a hang of a native
 * library stays there. The module answers by `process.send(reply)`.
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
