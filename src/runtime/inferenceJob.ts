import type { CellLabels, Summation } from '../volume/cellSums.js';
import { allocate, type Volume } from '../volume/volume.js';
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
}

/**
 * The elements of `InferenceJob.control`. Outputs are added in the order of their windows, so that sums do
 * not depend on which thread is faster.
 */
export const Control = {
  /** The next window that no thread has taken. */
  next: 0,
  /** The number of windows that are added: of labels, also the window that is added next. */
  added: 1,
  /** Not zero once the job is abandoned. */
  stopped: 2,
  /** Of logits: for each slab of slices, the number of windows that are added there. */
  slabs: 3,
} as const;

/** The control of a new job whose first window is `first`. */
export function newControl(first: number, slabs: number): Int32Array {
  const control = allocate('int32', Control.slabs + slabs);
  control[Control.next] = first;
  control[Control.added] = first;
  return control;
}

/** Takes the next `count` windows of a job. Returns the first one's number, or undefined if none is left. */
export function takeWindows({ control, steps }: InferenceJob, count: number): number | undefined {
  const first = Atomics.add(control, Control.next, count);
  return first >= steps || isStopped(control) ? undefined : first;
}

/** Whether an element of `control` is `turn`. */
export function isTurn(control: Int32Array, element: number, turn: number): boolean {
  return Atomics.load(control, element) === turn;
}

/** Blocks the thread until an element of `control` is `turn`. Returns false for an abandoned job. */
export function awaitTurn(control: Int32Array, element: number, turn: number): boolean {
  for (;;) {
    if (isStopped(control)) return false;
    const now = Atomics.load(control, element);
    if (now === turn) return true;
    Atomics.wait(control, element, now, 1000);
  }
}

/** Sets an element of `control` and lets the threads continue that wait for it. */
export function passTurn(control: Int32Array, element: number, turn: number): void {
  Atomics.store(control, element, turn);
  Atomics.notify(control, element);
}

/** Abandons a job: its threads stop after the windows they are running. */
export function stopJob(control: Int32Array): void {
  Atomics.store(control, Control.stopped, 1);
  for (let element = 0; element < control.length; element++) Atomics.notify(control, element);
}

/** True for a job that was abandoned. */
export function isStopped(control: Int32Array): boolean {
  return Atomics.load(control, Control.stopped) !== 0;
}
