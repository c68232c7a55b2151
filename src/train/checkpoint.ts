import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../errors.js';
import { readTensors, writeTensors } from '../onnx/training/tensorFile.js';
import type { Progress } from './progress.js';
import { progressFromJson, progressToJson } from './progressJson.js';
import type { TrainingState } from './trainingState.js';

const format = 'voxstream training 1';

const checkpointFile = (output: string, which: 'last' | 'best') =>
  join(output, 'checkpoint', `${which}.safetensors`);

/** True if a training has left a state to continue from. */
export function hasCheckpoint(output: string): boolean {
  return existsSync(checkpointFile(output, 'last'));
}

/**
 * Writes a checkpoint, completely or not at all.
 *
 * @param identity Names the training; see `identityOf`. `readCheckpoint` refuses the state of another one.
 */
export function writeCheckpoint(
  output: string,
  which: 'last' | 'best',
  tensors: TrainingState,
  progress: Progress,
  identity: string,
): Promise<void> {
  const metadata = { format, identity, progress: progressToJson(progress) };
  return writeTensors(checkpointFile(output, which), { tensors, metadata });
}

/** Reads the last checkpoint. Throws DataError if it is damaged or belongs to another training. */
export async function readCheckpoint(
  output: string,
  identity: string,
): Promise<{ readonly tensors: TrainingState; readonly progress: Progress }> {
  const file = checkpointFile(output, 'last');
  const { tensors, metadata } = await readTensors(file);
  if (metadata['format'] !== format) {
    throw new DataError(
      `${file} is not a checkpoint of a voxstream training: its format is ` +
        `"${metadata['format'] ?? 'missing'}", but it must be "${format}".`,
    );
  }
  if (metadata['identity'] !== identity) {
    throw new DataError(
      `${file} belongs to a training with other cases, steps, network, loss, optimizer, schedule, batch ` +
        'size, precision or seed, so it cannot be resumed with these. Use the settings it was started with ' +
        '(see run.json), or another output.',
    );
  }
  return { tensors, progress: progressFromJson(metadata['progress']) };
}
