import { constants } from 'node:buffer';
import { open } from 'node:fs/promises';
import { listNames, ModelError, messageOf, show, showBytes } from '../../errors.js';
import type { Tensor } from '../tensor.js';
import { unpickle } from './pickle.js';
import { Storages, StoredTensor, stateDictGlobals } from './storages.js';
import { ZipArchive } from './zip.js';

/**
 * Where training programs put the state dict beside what else they save, in the order they are looked for.
 */
const wrappers = ['model', 'state_dict', 'network_weights'] as const;

/** What files made before PyTorch 1.6 begin with: a pickle of the number 0x1950a86a20f9469cfc6c. */
const oldMagic = [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/** One read of a file takes at most 2 GiB. */
const readSize = 1 << 30;

/**
 * Reads a PyTorch checkpoint (`.pt`, `.pth`: a zip archive, as PyTorch 1.6 and later write it): the tensors
 * of its state dict by name, in its order. The state dict is the file's top value, or lies in it under
 * `model`, `state_dict` or `network_weights`; the prefix `module.`, which DataParallel puts before every
 * name, is taken off. Entries that are not tensors are left out.
 *
 * Nothing in the file is executed: see `unpickle`. Float16 and bfloat16 come as bits, values in order with
 * the last axis fastest, whatever strides they were saved with. Tensors that shared memory in Python share it
 * here; change none.
 *
 * @throws ModelError when the file cannot be read, is damaged, asks for anything but tensors, is of another
 * format (before PyTorch 1.6, TorchScript), or holds no state dict.
 */
export async function readCheckpoint(file: string): Promise<ReadonlyMap<string, Tensor>> {
  return parseCheckpoint(await readWhole(file), file);
}

/**
 * The tensors of a checkpoint that was read already; see `readCheckpoint`. `file` is its name, for messages.
 */
export function parseCheckpoint(bytes: Uint8Array, file: string): ReadonlyMap<string, Tensor> {
  try {
    return readTensors(bytes);
  } catch (error) {
    if (error instanceof ModelError) {
      throw new ModelError(`${file} cannot be read as a PyTorch checkpoint: ${error.message}.`);
    }
    throw error;
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

function readTensors(bytes: Uint8Array): ReadonlyMap<string, Tensor> {
  if (oldMagic.every((byte, i) => bytes[i] === byte)) {
    throw new ModelError(
      'it was written in the format from before PyTorch 1.6. Save it anew in Python: ' +
        'torch.save(torch.load("old.pt", map_location="cpu"), "new.pt")',
    );
  }
  if (bytes.length < 4 || bytes[0] !== 0x50 || bytes[1] !== 0x4b) {
    throw new ModelError(
      `it is no zip archive, which checkpoints are, but begins with the bytes ${show(bytes.subarray(0, 4))}`,
    );
  }
  const archive = new ZipArchive(bytes);
  const folder = folderOf(archive);
  // Weights hardly compress; runs of zeros do.
  const storages = new Storages(archive, folder, 4 * bytes.length + (256 << 20));
  const pickle = archive.read(`${folder}data.pkl`, 64 << 20);
  const top = unpickle(pickle, {
    globals: stateDictGlobals,
    load: (identity) => storages.load(identity),
  });
  const tensors = new Map<string, Tensor>();
  for (const [name, stored] of withoutModule(stateDictOf(top)))
    tensors.set(name, storages.read(name, stored));
  return tensors;
}

/** The folder in the archive that holds `data.pkl`, with its slash. */
function folderOf(archive: ZipArchive): string {
  const { names } = archive;
  const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    throw new ModelError(
      `it is a zip archive, but no checkpoint: it holds ${listNames(names.slice(0, 5))} and no ` +
        'FOLDER/data.pkl',
    );
  }
  const folder = pickles[0].slice(0, -'data.pkl'.length);
  if (names.includes(`${folder}constants.pkl`) || names.some((name) => name.startsWith(`${folder}code/`))) {
    throw new ModelError(
      'it is a TorchScript archive, a program and its weights. Save the weights alone in Python: ' +
        'torch.save(torch.jit.load("model.ts", map_location="cpu").state_dict(), "weights.pt")',
    );
  }
  const order = names.includes(`${folder}byteorder`)
    ? new TextDecoder().decode(archive.read(`${folder}byteorder`, 16))
    : 'little';
  if (order !== 'little')
    throw new ModelError(`its numbers are ${show(order)}-endian; only little-endian is read`);
  return folder;
}

function stateDictOf(top: unknown): Map<string, StoredTensor> {
  if (!(top instanceof Map)) throw new ModelError('it does not hold a dict, so no state dict');
  for (const candidate of [top, ...wrappers.map((name) => top.get(name))]) {
    const tensors = tensorsOf(candidate);
    if (tensors.size > 0) return tensors;
  }
  throw new ModelError(
    `it holds no state dict: no tensors are among its entries ${show([...top.keys()].map(String))}, ` +
      `nor under ${listNames(wrappers, 'or')}`,
  );
}

function tensorsOf(value: unknown): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  if (!(value instanceof Map)) return tensors;
  for (const [name, item] of value) {
    if (typeof name === 'string' && item instanceof StoredTensor) tensors.set(name, item);
  }
  return tensors;
}

function withoutModule(tensors: Map<string, StoredTensor>): Map<string, StoredTensor> {
  const prefix = 'module.';
  if (![...tensors.keys()].every((name) => name.startsWith(prefix))) return tensors;
  return new Map(Array.from(tensors, ([name, stored]) => [name.slice(prefix.length), stored]));
}
