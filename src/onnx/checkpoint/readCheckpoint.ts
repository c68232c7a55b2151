import { constants } from 'node:buffer';
import { open } from 'node:fs/promises';
import { ModelError, messageOf, show, showBytes, VoxError } from '../../errors.js';
import type { Tensor } from '../tensor.js';
import { isLegacy, readLegacy } from './legacy.js';
import { RefusedPickle } from './pickle.js';
import type { Pickled } from './pickled.js';
import { isSafetensors, readSafetensors } from './safetensors.js';
import { findStateDicts, type StateDict } from './stateDicts.js';
import { readTorchZip } from './torchZip.js';

/** One read of a file takes at most 2 GiB. */
const readSize = 1 << 30;

/**
 * Reads the state dicts of a checkpoint, the likeliest first; see `findStateDicts`. Formats: PyTorch's
 * (`.pt`, `.pth`, `.ckpt`) of any version, TorchScript archives (`.ts`: their weights) and safetensors.
 *
 * Nothing in the file is executed: see `unpickle`. Float16 and bfloat16 come as bits, values in order with
 * the last axis fastest, whatever strides they were saved with. Tensors that shared memory in Python share it
 * here: do not change them.
 *
 * @throws ModelError when the file cannot be read, is damaged, asks for what no checkpoint needs, or holds no
 * tensors.
 */
export async function readStateDicts(file: string): Promise<StateDict[]> {
  return parseStateDicts(await readWhole(file), file);
}

/** As `readStateDicts`, from the bytes of a file. `file` is its name, for messages. */
export function parseStateDicts(bytes: Uint8Array, file: string): StateDict[] {
  return explained(file, () => findStateDicts(readContent(bytes)));
}

/** The tensors of the likeliest state dict of a checkpoint; see `readStateDicts`. */
export async function readCheckpoint(file: string): Promise<ReadonlyMap<string, Tensor>> {
  return parseCheckpoint(await readWhole(file), file);
}

/** As `readCheckpoint`, from the bytes of a file. */
export function parseCheckpoint(bytes: Uint8Array, file: string): ReadonlyMap<string, Tensor> {
  return readTensors(parseStateDicts(bytes, file)[0].tensors, file);
}

/** The values of stored tensors. Throws ModelError naming the file and the tensor that cannot be read. */
export function readTensors(tensors: StateDict['tensors'], file: string): ReadonlyMap<string, Tensor> {
  return explained(
    file,
    () => new Map(Array.from(tensors, ([name, stored]): [string, Tensor] => [name, stored.read(name)])),
  );
}

/**
 * What a checkpoint holds, as data: for files that are not state dicts. Throws ModelError as `readStateDicts`
 * does.
 */
export async function readPickledFile(file: string): Promise<Pickled> {
  return parsePickledFile(await readWhole(file), file);
}

/** As `readPickledFile`, from the bytes of a file. */
export function parsePickledFile(bytes: Uint8Array, file: string): Pickled {
  return explained(file, () => readContent(bytes));
}

function explained<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof VoxError)) throw error;
    const advice =
      error instanceof RefusedPickle
        ? ' If you trust the file, load it in Python, and save it again without that object.'
        : '';
    throw new ModelError(`${file} cannot be read as a checkpoint: ${error.message}.${advice}`);
  }
}

async function readWhole(file: string): Promise<Uint8Array> {
  try {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      if (size > constants.MAX_LENGTH) {
        throw new ModelError(
          `it has ${showBytes(size)}, and at most ${showBytes(constants.MAX_LENGTH)} can be read`,
        );
      }
      const bytes = new Uint8Array(size);
      for (let at = 0; at < size; ) {
        const { bytesRead } = await handle.read(bytes, at, Math.min(readSize, size - at), at);
        if (bytesRead === 0) throw new ModelError('it became shorter while it was read');
        at += bytesRead;
      }
      return bytes;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new ModelError(`${file} cannot be read: ${messageOf(error)}.`);
  }
}

function readContent(bytes: Uint8Array): Pickled {
  if (bytes.length === 0) throw new ModelError('it is empty');
  if (isLegacy(bytes)) return readLegacy(bytes);
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) return readTorchZip(bytes);
  if (isSafetensors(bytes)) return readSafetensors(bytes);
  throw new ModelError(
    `it is neither a zip archive, as PyTorch writes, nor a file of PyTorch before 1.6, nor safetensors: it begins with ` +
      `the bytes ${show(bytes.subarray(0, 8))}`,
  );
}
