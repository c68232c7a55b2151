import type { MetricValue } from '../metrics/metric.js';
import type { ValidationBlock } from '../pipeline/trainBlock.js';
import type { FeedPosition } from './feed.js';

/** A row of train.csv: one epoch. Epoch 0 is the validation before the first step. */
export interface EpochRow {
  readonly epoch: number;
  /** Steps done when it ended. */
  readonly step: number;
  /** Mean over the steps of the epoch. */
  readonly loss?: number;
  /** Of the epoch's last step. */
  readonly learningRate?: number;
  /** Mean norm of the gradients before clipping. */
  readonly gradNorm?: number;
  /** Seconds of training, without validation. */
  readonly seconds?: number;
  readonly patchesPerSecond?: number;
  readonly validationSeconds?: number;
  /** Means over the validation cases. */
  readonly metrics?: readonly MetricValue[];
}

/** The best validation so far. */
export interface BestModel {
  readonly epoch: number;
  readonly step: number;
  readonly value: number;
}

/** Sums over the steps of the current epoch. */
interface EpochSums {
  readonly steps: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly seconds: number;
  readonly patches: number;
}

/** How far a training is. With the trainer's tensors, this is all that it needs to continue. */
export interface Progress {
  /** Steps done. */
  readonly step: number;
  /** Where the stream of cases continues. */
  readonly position: FeedPosition;
  readonly open: EpochSums;
  readonly rows: readonly EpochRow[];
  readonly best?: BestModel;
  /** Validations since the best one. */
  readonly waited: number;
}

const emptySums: EpochSums = { steps: 0, loss: 0, gradNorm: 0, seconds: 0, patches: 0 };

/** The progress of a training before its first step. */
export const atStart: Progress = {
  step: 0,
  position: { epoch: 0, taken: 0 },
  open: emptySums,
  rows: [],
  waited: 0,
};

/** The number of complete epochs. */
export function epochsDone({ rows }: Progress): number {
  return rows.filter(({ epoch }) => epoch > 0).length;
}

/** The current epoch has steps, and its cases are used up. */
export function epochIsOver(progress: Progress): boolean {
  return progress.open.steps > 0 && progress.position.epoch > epochsDone(progress);
}

/** The progress after a step on `patches` patches. `position` is where the stream of cases continues. */
export function afterStep(
  progress: Progress,
  position: FeedPosition,
  done: {
    readonly loss: number;
    readonly gradNorm: number;
    readonly seconds: number;
    readonly patches: number;
  },
): Progress {
  const { open } = progress;
  return {
    ...progress,
    step: progress.step + 1,
    position,
    open: {
      steps: open.steps + 1,
      loss: open.loss + done.loss,
      gradNorm: open.gradNorm + done.gradNorm,
      seconds: open.seconds + done.seconds,
      patches: open.patches + done.patches,
    },
  };
}

/**
 * The row of an epoch that has just ended, before its validation.
 *
 * @param rateAt The learning rate at an epoch and a step, both from 0.
 */
export function rowOf(
  { open, step }: Progress,
  epoch: number,
  rateAt: (epoch: number, step: number) => number,
): EpochRow {
  if (open.steps === 0) return { epoch, step };
  return {
    epoch,
    step,
    loss: open.loss / open.steps,
    learningRate: rateAt(epoch - 1, step - 1),
    gradNorm: open.gradNorm / open.steps,
    seconds: open.seconds,
    patchesPerSecond: open.patches / open.seconds,
  };
}

/** The progress after an epoch. */
export function afterEpoch(progress: Progress, row: EpochRow): Progress {
  return { ...progress, open: emptySums, rows: [...progress.rows, row] };
}

/** The progress after a validation that found `value`, and whether the model is the best one so far. */
export function afterValidation(
  progress: Progress,
  { epoch, value }: { readonly epoch: number; readonly value: number },
  goal: ValidationBlock['goal'],
  minDelta: number,
): { readonly progress: Progress; readonly isBest: boolean } {
  const { best, step, waited } = progress;
  const gain =
    best === undefined ? Number.POSITIVE_INFINITY : goal === 'max' ? value - best.value : best.value - value;
  const isBest = gain > 0;
  return {
    isBest,
    progress: {
      ...progress,
      waited: gain > minDelta ? 0 : waited + 1,
      ...(isBest && { best: { epoch, step, value } }),
    },
  };
}
