import { ModelError, show } from '../../errors.js';
import { elementArrays } from '../tensor.js';
import { findGlobal } from './globals.js';
import { refused, unpickleAt } from './pickle.js';
import { Global, type Pickled, Tuple } from './pickled.js';
import { Storages } from './storages.js';
import { budgetOf } from './torchZip.js';

/** The number 0x1950a86a20f9469cfc6c as a pickle, with which these files begin. */
const magic = [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];

/** Whether bytes are a checkpoint in PyTorch's format from before 1.6. */
export function isLegacy(bytes: Uint8Array): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

/**
 * What a checkpoint holds that PyTorch wrote before 1.6 (or later with
 * `_use_new_zipfile_serialization=False`): pickles of a version, of a description of the system, of the
 * content and of the keys of its storages, and then the storages.
 *
 * Source: `torch/serialization.py`, `_legacy_save`.
 *
 * @throws ModelError when the file is damaged.
 */
export function readLegacy(bytes: Uint8Array): Pickled {
  const source = new LegacyBytes(bytes);
  const storages = new Storages(source, budgetOf(bytes));
  const load = (identity: Pickled): Pickled => {
    const [what, kind] = identity instanceof Tuple ? identity.items : [];
    // A class with its source code, which is not read.
    if (what === 'module' && kind instanceof Global) return kind;
    const storage = storages.load(identity);
    if (!storage.type) throw refused('a storage without a type in the format from before PyTorch 1.6');
    source.itemBytes.set(storage.key, elementArrays[storage.type].BYTES_PER_ELEMENT);
    return storage;
  };
  let at = magic.length;
  const next = () => {
    const { value, end } = unpickleAt(bytes, at, { find: findGlobal, load });
    at = end;
    return value;
  };
  const version = next();
  if (version !== 1001) throw new ModelError(`it has the version ${show(version)}; 1001 is known`);
  const system = next();
  if (system instanceof Map && system.get('little_endian') === false) {
    throw new ModelError('its numbers are big-endian; only little-endian numbers can be read');
  }
  const content = next();
  source.locate(next(), at);
  return content;
}

/** The storages at the end of a file, each after the number of its elements. */
class LegacyBytes {
  /** Bytes of an element, by the keys of the storages. */
  readonly itemBytes = new Map<string, number>();
  readonly #places = new Map<string, readonly [start: number, end: number]>();

  constructor(readonly file: Uint8Array) {}

  get buffer(): ArrayBufferLike {
    return this.file.buffer;
  }

  locate(keys: Pickled, start: number): void {
    if (!Array.isArray(keys)) throw new ModelError('it has no list of its storages');
    const view = new DataView(this.file.buffer, this.file.byteOffset, this.file.byteLength);
    let at = start;
    for (const key of keys) {
      const itemBytes = this.itemBytes.get(key);
      if (itemBytes === undefined) throw new ModelError('it lists a storage that no tensor uses');
      if (at + 8 > this.file.length) throw cutOff(key);
      const end = at + 8 + Number(view.getBigUint64(at, true)) * itemBytes;
      if (end > this.file.length) throw cutOff(key);
      this.#places.set(key, [at + 8, end]);
      at = end;
    }
  }

  bytes(key: string): { bytes: Uint8Array; place: string } {
    const place = this.#places.get(key);
    if (!place) throw new ModelError(`its storage ${show(key)} is not in the file`);
    return { bytes: this.file.subarray(...place), place: 'the file' };
  }
}

function cutOff(key: Pickled): ModelError {
  return new ModelError(
    `its storage ${typeof key === 'string' ? show(key) : ''} reaches beyond the end of the file: it is cut off`,
  );
}
