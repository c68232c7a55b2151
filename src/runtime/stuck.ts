import { ModelError } from '../errors.js';
import type { AskThread } from './askThread.js';
import { Control, type InferenceJob, isStopped, stopJob } from './inferenceJob.js';

/** The longest step timeout in seconds, 24 days: timers cannot wait longer, and fire at once instead. */
export const longestStepTimeout = 2_147_483;

/** Default of `RuntimeSettings.stepTimeout`, in seconds. */
export const defaultStepTimeout = 1800;

/**
 * Returns a function that takes a job's counters at a time in ms, and says if they have not changed for
 * `limit` seconds.
 */
export function stallDetector(limit: number): (counters: string, now: number) => boolean {
  let seen: string | undefined;
  let since = 0;
  return (counters, now) => {
    if (counters !== seen) since = now;
    seen = counters;
    return now - since >= limit * 1000;
  };
}

/**
 * Watches a job. When no window was started or finished for `limit` seconds, the job is stopped, which
 * returns the threads that only wait for another one. If threads are still at work at the next check,
 * `onStuck` is called.
 *
 * @returns A function that ends the watch.
 */
export function watchJob(
  { control }: Pick<InferenceJob, 'control'>,
  limit: number,
  onStuck: () => void,
): () => void {
  const pause = Math.min(1000, (limit * 1000) / 4);
  const isStalled = stallDetector(limit);
  const timer = setInterval(() => {
    const counters = `${Atomics.load(control, Control.next)} ${Atomics.load(control, Control.added)}`;
    if (!isStalled(counters, performance.now())) return;
    // Stopping the job first frees the threads that only wait for the stuck one. They are kept.
    if (isStopped(control)) onStuck();
    else stopJob(control);
  }, pause);
  return () => clearInterval(timer);
}

/** The error of a case whose windows made no progress for `limit` seconds. */
export function noProgress(file: string, limit: number, { control, steps }: InferenceJob): ModelError {
  return new ModelError(
    `The model ${file} made no progress for ${limit} s (runtime.stepTimeout) at about window ` +
      `${Atomics.load(control, Control.added) + 1} of ${steps}, and its thread was stopped. Run the ` +
      'case again with --resume; if its windows do take that long, raise runtime.stepTimeout.',
  );
}

/**
 * Waits for a thread's answer. After `limit` seconds without one, the thread is abandoned and a ModelError
 * thrown.
 */
export async function answerWithin<T>(
  limit: number,
  thread: Pick<AskThread<never, never>, 'abandon'>,
  answer: Promise<T>,
  file: string,
): Promise<T> {
  const timer = setTimeout(() => {
    thread.abandon(
      new ModelError(
        `The model ${file} gave no answer within ${limit} s (runtime.stepTimeout), and its thread was ` +
          'stopped.',
      ),
    );
  }, limit * 1000);
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
  }
}
