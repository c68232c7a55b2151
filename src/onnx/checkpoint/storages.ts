import { ModelError, show, showBytes } from '../../errors.js';
import { type ElementType, elementArrays, sizeOf, type Tensor, type TensorArray, tensor } from '../tensor.js';
import { Global, type Pickled, refused, Tuple } from './pickle.js';
import type { ZipArchive } from './zip.js';

/**
 * PyTorch's storage classes. The unsigned types beyond bytes have none: they came when classes were given up.
 */
const storageTypes: ReadonlyMap<string, ElementType> = new Map([
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

/** A run of bytes that tensors share. */
interface Storage {
  /** The name under which the archive keeps it. */
  readonly key: string;
  /** Undefined for one without a type, whose tensors say theirs. */
  readonly type: ElementType | undefined;
  /** Begins at a multiple of its element's size. */
  readonly bytes: Uint8Array;
}

/** A tensor as a pickle has it: the place of its values in a storage. */
export class StoredTensor {
  constructor(
    readonly storage: Storage,
    readonly type: ElementType,
    /** In elements, as the strides are. */
    readonly offset: number,
    readonly dims: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** What the pickle of a state dict may name, and the bytes that it refers to. */
export class Storages {
  readonly #archive: ZipArchive;
  readonly #folder: string;
  readonly #loaded = new Map<string, Storage>();
  #budget: number;

  /**
   * @param folder Where the archive keeps its members: `archive/`.
   * @param budget Bytes that may be taken beyond the archive's own, for unpacking and for copying.
   */
  constructor(archive: ZipArchive, folder: string, budget: number) {
    this.#archive = archive;
    this.#folder = folder;
    this.#budget = budget;
  }

  /**
   * The storage that a persistent identity stands for: the tuple `('storage', class, key, device, elements)`.
   */
  load(identity: Pickled): Storage {
    const [what, kind, key, , count] = identity instanceof Tuple ? identity.items : [];
    if (what !== 'storage' || !(kind instanceof Global) || typeof key !== 'string' || !isCount(count)) {
      throw new ModelError('its pickle refers to something outside of it that is not a storage');
    }
    const type = storageTypes.get(kind.name);
    if (type === undefined && !kind.name.endsWith('.UntypedStorage'))
      throw refused(`a storage of ${kind.name}`);
    const known = this.#loaded.get(key);
    if (known) {
      if (known.type !== type) throw new ModelError(`its storage ${show(key)} is used with two types`);
      return known;
    }
    const member = `${this.#folder}data/${key}`;
    const stored = this.#archive.read(member, this.#budget);
    const itemBytes = type ? elementArrays[type].BYTES_PER_ELEMENT : 1;
    if (stored.length !== count * itemBytes) {
      throw new ModelError(
        `its storage ${show(key)} should hold ${count * itemBytes} bytes, but ${show(member)} has ` +
          `${stored.length}`,
      );
    }
    // PyTorch aligns storages in its files, and a tool that packs them anew does not. Eight bytes suit every
    // type.
    const aligned = stored.byteOffset % 8 === 0;
    if (!aligned || stored.buffer !== this.#archive.buffer)
      this.#take(stored.length, `its storage ${show(key)}`);
    const storage = { key, type, bytes: aligned ? stored : new Uint8Array(stored) };
    this.#loaded.set(key, storage);
    return storage;
  }

  /**
   * The values of a tensor, last axis fastest: a view of its storage where they lie in that order, else a
   * copy.
   */
  read(name: string, { storage, type, offset, dims, strides }: StoredTensor): Tensor {
    const source = new elementArrays[type](
      storage.bytes.buffer as ArrayBuffer,
      storage.bytes.byteOffset,
      Math.floor(storage.bytes.length / elementArrays[type].BYTES_PER_ELEMENT),
    );
    const size = sizeOf(dims);
    const reach = size === 0 ? 0 : dims.reduce((sum, n, axis) => sum + (n - 1) * strides[axis], offset + 1);
    if (!(reach <= source.length)) {
      throw new ModelError(
        `its tensor ${show(name)} of ${show(dims)} reaches element ${reach} of a storage of ${source.length}`,
      );
    }
    if (isContiguous(dims, strides)) return tensor(type, dims, source.subarray(offset, offset + size));
    this.#take(size * source.BYTES_PER_ELEMENT, `its tensor ${show(name)} of ${show(dims)}`);
    return tensor(type, dims, gather(source, offset, dims, strides));
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

/** The classes and functions that the pickle of a state dict may name. */
export const stateDictGlobals: ReadonlyMap<string, Global> = new Map(
  [
    new Global('collections.OrderedDict', (...args) => {
      if (args.length > 0) throw refused('a collections.OrderedDict with arguments');
      return new Map();
    }),
    new Global('torch.Size', (items) => items),
    new Global('torch.device', (...names) => new Tuple(names)),
    new Global('torch._utils._rebuild_tensor', rebuild),
    new Global('torch._utils._rebuild_tensor_v2', rebuild),
    new Global('torch._utils._rebuild_tensor_v3', (storage, offset, dims, strides, _grad, _hooks, type) =>
      rebuild(storage, offset, dims, strides, type),
    ),
    new Global('torch._utils._rebuild_parameter', (data) => data),
    new Global('torch._utils._rebuild_parameter_with_state', (data) => data),
    ...['torch.storage.UntypedStorage', 'torch.UntypedStorage'].map((name) => new Global(name)),
    ...Array.from(storageTypes.keys(), (name) => new Global(name)),
    ...Object.keys(elementArrays).map((type) => new Global(`torch.${type}`)),
  ].map((known) => [known.name, known]),
);

/** A tensor of a pickle. `type` comes with storages that have none. */
function rebuild(
  storage: Pickled,
  offset: Pickled,
  dims: Pickled,
  strides: Pickled,
  type?: Pickled,
): StoredTensor {
  const named = type instanceof Global ? (type.name.replace(/^torch\./, '') as ElementType) : undefined;
  const { type: own } = storage as Partial<Storage>;
  const element = own ?? (named && Object.hasOwn(elementArrays, named) ? named : undefined);
  const sizes = dims instanceof Tuple ? dims.items : [];
  const steps = strides instanceof Tuple ? strides.items : [];
  const whole = [offset, ...sizes, ...steps].every(isCount);
  if (!isStorage(storage) || !element || !whole || sizes.length !== steps.length || sizes.length > 64) {
    throw new ModelError('its pickle describes a tensor without a proper storage, type, shape or strides');
  }
  return new StoredTensor(storage, element, offset as number, sizes as number[], steps as number[]);
}

function isStorage(value: Pickled): value is Storage {
  return value !== null && typeof value === 'object' && 'bytes' in value;
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
