import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../errors.js';
import { readTensors, writeTensors } from '../onnx/training/tensorFile.js';
import type { FeedPosition } from './feed.js';
import type { TrainingState } from './trainer.js';

/** One line of train.csv: an epoch. Epoch 0 is the validation before the first one. */
export interface EpochRow {
  readonly epoch: number;
  /** Steps done at its end. */
  readonly step: number;
  /** Mean over the steps of the epoch. */
  readonly loss?: number;
  /** Of the epoch's last step. */
  readonly learningRate?: number;
  /** Mean norm of the gradients before they are clipped. */
  readonly gradNorm?: number;
  /** Of training, validation left out. */
  readonly seconds?: number;
  readonly patchesPerSecond?: number;
  readonly validationSeconds?: number;
  /** Means over the validation cases, by column. */
  readonly metrics?: Readonly<Record<string, number>>;
}

/** The best validation so far. */
export interface BestModel {
  readonly epoch: number;
  readonly step: number;
  readonly value: number;
}

/** All that a training needs to go on, the tensors left out. */
export interface Progress {
  /** Steps done. */
  readonly step: number;
  readonly position: FeedPosition;
  /** Sums over the steps of the epoch that is under way. */
  readonly open: {
    readonly steps: number;
    readonly loss: number;
    readonly gradNorm: number;
    readonly seconds: number;
    readonly patches: number;
  };
  readonly rows: readonly EpochRow[];
  readonly best?: BestModel;
  /** Validations since the best one. */
  readonly waited: number;
  /** The training ended as planned, or by early stopping. */
  readonly ended: boolean;
}

const checkpointFile = (output: string, which: 'last' | 'best') =>
  join(output, 'checkpoint', `${which}.safetensors`);

/** True where a training has left a state to go on from. */
export function hasCheckpoint(output: string): boolean {
  return existsSync(checkpointFile(output, 'last'));
}

/** Writes a state, whole or not at all. `identity` names what the training is; another one's state is not taken. */
export function writeCheckpoint(
  output: string,
  which: 'last' | 'best',
  tensors: TrainingState,
  progress: Progress,
  identity: string,
): Promise<void> {
  const metadata = { format: 'voxstream training 1', identity, progress: JSON.stringify(progress) };
  return writeTensors(checkpointFile(output, which), { tensors, metadata });
}

/** Reads the last state. Throws DataError when it is damaged or of another training. */
export async function readCheckpoint(
  output: string,
  identity: string,
): Promise<{ readonly tensors: TrainingState; readonly progress: Progress }> {
  const file = checkpointFile(output, 'last');
  const { tensors, metadata } = await readTensors(file);
  if (metadata['format'] !== 'voxstream training 1') {
    throw new DataError(`${file} is no state of a training that voxstream wrote.`);
  }
  if (metadata['identity'] !== identity) {
    throw new DataError(
      `${file} is of a training with other cases, steps, network, loss, optimizer, schedule, batch size or seed, so it cannot be ` +
        'resumed with these. Give the settings it was begun with (run.json has them), or another output.',
    );
  }
  return { tensors, progress: JSON.parse(metadata['progress']) as Progress };
}
