import type { JsonValues } from '../metrics/valuesAsJson.js';
import type { EpochRow } from './progress.js';

/**
 * An event of a training. `voxstream train --json` prints them as JSON, one per line. Seconds are wall time.
 */
export type TrainEvent =
  | {
      readonly event: 'start';
      readonly pipeline: string;
      readonly output: string;
      readonly cases: number;
      readonly validationCases: number;
      readonly epochs: number;
      /** Steps per epoch; fewer if cases cannot be used. */
      readonly stepsPerEpoch: number;
      /** Patches per step, and the voxels of one, x first. */
      readonly patches: number;
      readonly patch: readonly number[];
      readonly parameters: number;
      readonly device: string;
      readonly replicas: number;
      /** Steps done by earlier runs. */
      readonly resumedAt?: number;
    }
  | {
      readonly event: 'step';
      readonly epoch: number;
      readonly step: number;
      readonly loss: number;
      readonly gradNorm: number;
      readonly learningRate: number;
      readonly seconds: number;
      /** Seconds that the device waited for the batch. */
      readonly waited: number;
    }
  | ({
      readonly event: 'epoch';
      readonly best: boolean;
      /** Means over the validation cases, by column. */
      readonly metrics?: JsonValues;
    } & Omit<EpochRow, 'metrics'>)
  | { readonly event: 'validating'; readonly epoch: number; readonly done: number; readonly cases: number }
  | { readonly event: 'saved'; readonly step: number }
  | { readonly event: 'caseFailed'; readonly case: string; readonly message: string }
  /** A message that the user should read, about a case or the whole. The training continues. */
  | { readonly event: 'warning'; readonly message: string; readonly case?: string }
  | {
      readonly event: 'end';
      readonly epochs: number;
      readonly steps: number;
      readonly reason: 'finished' | 'earlyStopping' | 'interrupted';
      readonly best?: { readonly epoch: number; readonly metric: string; readonly value: number };
      readonly seconds: number;
    };
