import type { CellLabels, Summation } from '../volume/cellSums.js';
import type { Volume } from '../volume/volume.js';
import type { WindowSettings } from '../volume/windows.js';

/** The windows of one volume, which all session threads of a model process together. */
export interface InferenceJob extends Summation {
  readonly data: Volume['data'];
  readonly channels: number;
  readonly padding: Pick<WindowSettings, 'paddingMode' | 'cval'>;
  /**
   * Each window is also run mirrored along these axes of the volume, and along all combinations of them; the
   * outputs are mirrored back and averaged.
   */
  readonly mirror: readonly number[];
  /** Windows per run of the model. */
  readonly batch: number;
  /** Steps below this number are run; window and step are the same unless labels are made. */
  readonly steps: number;
  readonly result: WholeLogits | CellLabels;
  /** Shared by the threads; see `Control`. */
  readonly control: Int32Array;
}

/** The model's output for a whole volume. */
export interface WholeLogits {
  /**
   * Zeros on a SharedArrayBuffer, x fastest. Holds sums of outputs while the job runs, and their weighted
   * means at its end.
   */
  readonly out: Float32Array;
  /** The sums of the weights, unless these are equal. */
  readonly weightSums?: Float32Array;
}

/** The elements of `InferenceJob.control`. */
export const Control = {
  /** The next window that no thread has taken. */
  next: 0,
  /**
   * The window whose output is added next. The order of the sums does not depend on which thread is faster.
   */
  turn: 1,
  /** Not zero once the job is abandoned. */
  stopped: 2,
  length: 3,
} as const;

/** Takes the next `count` windows of a job. Returns the first one's number, or undefined if none is left. */
export function takeWindows({ control, steps }: InferenceJob, count: number): number | undefined {
  const first = Atomics.add(control, Control.next, count);
  return first >= steps || isStopped(control) ? undefined : first;
}

/**
 * Blocks the thread until the outputs of all windows before `window` are added. Returns false for an
 * abandoned job.
 */
export function awaitTurn(control: Int32Array, window: number): boolean {
  for (;;) {
    if (isStopped(control)) return false;
    const turn = Atomics.load(control, Control.turn);
    if (turn === window) return true;
    Atomics.wait(control, Control.turn, turn, 1000);
  }
}

/** Lets the thread continue that has the outputs of `window`. */
export function passTurn(control: Int32Array, window: number): void {
  Atomics.store(control, Control.turn, window);
  Atomics.notify(control, Control.turn);
}

/** Abandons a job: its threads stop after the windows they are running. */
export function stopJob(control: Int32Array): void {
  Atomics.store(control, Control.stopped, 1);
  Atomics.notify(control, Control.turn);
}

/** True for a job that was abandoned. */
export function isStopped(control: Int32Array): boolean {
  return Atomics.load(control, Control.stopped) !== 0;
}
