const signals = ['SIGINT', 'SIGTERM'] as const;

/** The exit code of a command that was interrupted. */
export const interruptedCode = 130;

/**
 * Stops a command at Ctrl-C or SIGTERM. The first signal aborts `signal` and calls `onStop`. The second one
 * ends the process, whatever it does: the system handles it, because a thread, also the main one, may be
 * stuck in native code.
 */
export function stopOnSignal(onStop: () => void): { readonly signal: AbortSignal; end(): void } {
  const abort = new AbortController();
  // Without listeners, of libraries too, a signal has its usual effect again.
  const endAtNext = () => {
    for (const name of signals) process.removeAllListeners(name);
  };
  const stop = (name: NodeJS.Signals) => {
    if (abort.signal.aborted) {
      // It came together with the first one.
      endAtNext();
      process.kill(process.pid, name);
      return;
    }
    setImmediate(endAtNext);
    abort.abort();
    onStop();
  };
  for (const name of signals) process.on(name, stop);
  return {
    signal: abort.signal,
    end() {
      for (const name of signals) process.off(name, stop);
    },
  };
}
