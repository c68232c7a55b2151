import { ModelError, show, showBytes } from '../../errors.js';
import { type ElementType, elementArrays, sizeOf, type Tensor, type TensorArray, tensor } from '../tensor.js';
import { refused } from './pickle.js';
import { Global, type Pickled, Tuple } from './pickled.js';
import { StoredTensor } from './storedTensor.js';

/**
 * PyTorch's storage classes. There is none for unsigned types other than bytes: newer types have no class.
 */
export const storageTypes: ReadonlyMap<string, ElementType> = new Map([
  ['torch.FloatStorage', 'float32'],
  ['torch.DoubleStorage', 'float64'],
  ['torch.HalfStorage', 'float16'],
  ['torch.BFloat16Storage', 'bfloat16'],
  ['torch.CharStorage', 'int8'],
  ['torch.ByteStorage', 'uint8'],
  ['torch.ShortStorage', 'int16'],
  ['torch.IntStorage', 'int32'],
  ['torch.LongStorage', 'int64'],
  ['torch.BoolStorage', 'bool'],
]);

/** Bytes that tensors share, as a pickle describes them. */
export interface Storage {
  /** Its name in the file. */
  readonly key: string;
  /** Undefined for a storage without a type, whose tensors have theirs. */
  readonly type: ElementType | undefined;
  /** Elements; bytes where there is no type. */
  readonly count: number;
  /** The first element that tensors of this storage count from. */
  readonly start: number;
  /** Where its bytes are read. */
  readonly storages: Storages;
}

/** How a file gives the bytes of a storage. */
export interface StorageBytes {
  /** The bytes, and what messages call the place where they lie. Throws ModelError when there are none. */
  bytes(key: string): { readonly bytes: Uint8Array; readonly place: string };
  /** The memory of the file, to tell views of it from copies. */
  readonly buffer: ArrayBufferLike;
}

/** The storages of a file. They are read when the values of a tensor are asked for. */
export class Storages {
  readonly #source: StorageBytes;
  readonly #known = new Map<string, Storage>();
  readonly #read = new Map<string, Uint8Array>();
  #budget: number;

  /** @param budget Bytes that may be taken besides those of the file, for unpacking and for copies. */
  constructor(source: StorageBytes, budget: number) {
    this.#source = source;
    this.#budget = budget;
  }

  /**
   * The storage of a persistent identity: the tuple `('storage', class, key, device, elements)`. Files from
   * before PyTorch 1.6 add `None` or the part of the storage that is meant: `(key, offset, elements)`.
   */
  load(identity: Pickled): Storage {
    const [what, kind, key, , count, view] = identity instanceof Tuple ? identity.items : [];
    if (what !== 'storage' || !(kind instanceof Global) || typeof key !== 'string' || !isCount(count)) {
      throw new ModelError('its pickle refers to something outside of it that is not a storage');
    }
    const type = storageTypes.get(kind.name);
    if (type === undefined && !kind.name.endsWith('.UntypedStorage'))
      throw refused(`a storage of ${kind.name}`);
    const known = this.#known.get(key);
    if (known && known.type !== type) throw new ModelError(`its storage ${show(key)} is used with two types`);
    if (known && known.count !== count)
      throw new ModelError(`its storage ${show(key)} is used with two sizes`);
    const storage = known ?? { key, type, count, start: 0, storages: this };
    this.#known.set(key, storage);
    if (!(view instanceof Tuple)) return storage;
    const [, start] = view.items;
    if (!isCount(start)) throw new ModelError(`a part of its storage ${show(key)} begins at no element`);
    return { ...storage, start };
  }

  /**
   * The values of a tensor, last axis fastest: a view of its storage where they lie in that order, else a
   * copy.
   *
   * @param offset Of the first value, in elements, as the strides are.
   */
  read(
    name: string,
    storage: Storage,
    type: ElementType,
    offset: number,
    dims: readonly number[],
    strides: readonly number[],
  ): Tensor {
    const bytes = this.#bytesOf(storage);
    const source = new elementArrays[type](
      bytes.buffer as ArrayBuffer,
      bytes.byteOffset,
      Math.floor(bytes.length / elementArrays[type].BYTES_PER_ELEMENT),
    );
    const first = storage.start + offset;
    const size = sizeOf(dims);
    const reach = size === 0 ? 0 : dims.reduce((sum, n, axis) => sum + (n - 1) * strides[axis], first + 1);
    if (!(reach <= source.length)) {
      throw new ModelError(
        `its tensor ${show(name)} of ${show(dims)} reaches element ${reach} of a storage of ${source.length}`,
      );
    }
    if (isContiguous(dims, strides)) return tensor(type, dims, source.subarray(first, first + size));
    this.#take(size * source.BYTES_PER_ELEMENT, `its tensor ${show(name)} of ${show(dims)}`);
    return tensor(type, dims, gather(source, first, dims, strides));
  }

  #bytesOf({ key, type, count }: Storage): Uint8Array {
    const known = this.#read.get(key);
    if (known) return known;
    const { bytes, place } = this.#source.bytes(key);
    const wanted = count * (type ? elementArrays[type].BYTES_PER_ELEMENT : 1);
    if (bytes.length !== wanted) {
      throw new ModelError(
        `its storage ${show(key)} should hold ${wanted} bytes, but ${place} has ${bytes.length}`,
      );
    }
    // PyTorch aligns storages in its files; a tool that packs them again does not. Eight bytes suit every
    // type.
    const aligned = bytes.byteOffset % 8 === 0;
    if (!aligned || bytes.buffer !== this.#source.buffer)
      this.#take(bytes.length, `its storage ${show(key)}`);
    const usable = aligned ? bytes : new Uint8Array(bytes);
    this.#read.set(key, usable);
    return usable;
  }

  #take(bytes: number, what: string): void {
    this.#budget -= bytes;
    // Also when the number of bytes is too large to be exact, or not a number.
    if (this.#budget >= 0) return;
    throw new ModelError(
      `${what} takes ${showBytes(bytes)} more than the file holds, which no checkpoint of its size needs`,
    );
  }
}

/** A tensor as `torch._utils._rebuild_tensor` makes it. `type` comes with storages that have none. */
export function rebuildTensor(
  storage: Pickled,
  offset: Pickled,
  dims: Pickled,
  strides: Pickled,
  type?: Pickled,
): StoredTensor {
  const named = type instanceof Global ? (type.name.replace(/^torch\./, '') as ElementType) : undefined;
  const sizes = dims instanceof Tuple ? dims.items : [];
  const steps = strides instanceof Tuple ? strides.items : [];
  const fits = sizes.length === steps.length && sizes.length <= 64;
  if (!isStorage(storage) || !fits || ![offset, ...sizes, ...steps].every(isCount)) throw misshapen();
  const element = storage.type ?? (named && Object.hasOwn(elementArrays, named) ? named : undefined);
  if (!element) throw misshapen();
  const place = [offset as number, sizes as number[], steps as number[]] as const;
  return new StoredTensor(element, place[1], (name) =>
    storage.storages.read(name, storage, element, ...place),
  );
}

function misshapen(): ModelError {
  return new ModelError('its pickle describes a tensor without a proper storage, type, shape or strides');
}

function isStorage(value: Pickled): value is Storage {
  return typeof value === 'object' && value !== null && 'storages' in value;
}

function isCount(value: Pickled): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isContiguous(dims: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    if (dims[axis] !== 1 && strides[axis] !== step) return dims.includes(0);
    step *= dims[axis];
  }
  return true;
}

/** The values of a tensor with any strides, last axis fastest. */
function gather(
  source: TensorArray,
  offset: number,
  dims: readonly number[],
  strides: readonly number[],
): TensorArray {
  const out = new (source.constructor as new (length: number) => TensorArray)(sizeOf(dims));
  const index = dims.map(() => 0);
  let from = offset;
  for (let to = 0; to < out.length; to++) {
    out[to] = source[from];
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < dims[axis]) break;
      from -= strides[axis] * dims[axis];
      index[axis] = 0;
    }
  }
  return out;
}
