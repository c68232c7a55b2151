import { ModelError } from '../errors.js';
import type { AskThread } from './askThread.js';
import { Control, type InferenceJob, isStopped, stopJob } from './inferenceJob.js';

/** Default of `RuntimeSettings.stepTimeout`, in seconds. */
export const defaultStepTimeout = 1800;

/**
 * Watches a job. When no window was started or finished for `limit` seconds, the job is stopped; when its threads do not
 * return within `limit` seconds after that either, `onStuck` is called.
 *
 * @returns A function that ends the watch.
 */
export function watchJob({ control }: InferenceJob, limit: number, onStuck: () => void): () => void {
  const pause = Math.min(1000, (limit * 1000) / 4);
  let seen = '';
  let since = performance.now();
  const timer = setInterval(() => {
    const now = `${Atomics.load(control, Control.next)} ${Atomics.load(control, Control.turn)}`;
    if (now !== seen) since = performance.now();
    seen = now;
    if (performance.now() - since < limit * 1000) return;
    // Stopping the job first frees the threads that only wait for the stuck one. They are kept.
    if (isStopped(control)) onStuck();
    else stopJob(control);
  }, pause);
  return () => clearInterval(timer);
}

/** The error of a case whose windows made no progress for `limit` seconds. */
export function noProgress(file: string, limit: number, { control, plan }: InferenceJob): ModelError {
  return new ModelError(
    `The model ${file} made no progress for ${limit} s (runtime.stepTimeout) at about window ` +
      `${Atomics.load(control, Control.turn) + 1} of ${plan.count}, and its thread was stopped. Run the case again ` +
      'with --resume; if its windows do take that long, raise runtime.stepTimeout.',
  );
}

/** Waits for a thread's answer. After `limit` seconds without one, the thread is abandoned and a ModelError thrown. */
export async function answerWithin<T>(
  limit: number,
  thread: Pick<AskThread<never, never>, 'abandon'>,
  answer: Promise<T>,
  file: string,
): Promise<T> {
  const timer = setTimeout(() => {
    thread.abandon(
      new ModelError(
        `The model ${file} gave no answer within ${limit} s (runtime.stepTimeout), and its thread was stopped.`,
      ),
    );
  }, limit * 1000);
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
  }
}
