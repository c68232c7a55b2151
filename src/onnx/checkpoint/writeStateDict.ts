import { basename } from 'node:path';
import { ModelError, show } from '../../errors.js';
import { writeZip, type ZipContent } from '../../formats/writeZip.js';
import type { ElementType, Tensor } from '../tensor.js';
import { sizeOf } from '../tensor.js';

/** PyTorch's classes of storages. */
const storages: Partial<Readonly<Record<ElementType, string>>> = {
  float32: 'FloatStorage',
  float64: 'DoubleStorage',
  float16: 'HalfStorage',
  bfloat16: 'BFloat16Storage',
  int8: 'CharStorage',
  uint8: 'ByteStorage',
  int16: 'ShortStorage',
  int32: 'IntStorage',
  int64: 'LongStorage',
  bool: 'BoolStorage',
};

/**
 * Writes tensors as a PyTorch state dict, an `OrderedDict` of names to tensors: what `torch.save` of
 * `state_dict()` writes since PyTorch 1.6. `torch.load(FILE, weights_only=True)` reads it. A tensor that
 * occurs under several names is stored once.
 *
 * @param key The key of a surrounding dictionary, as ignite's `Checkpoint` writes for several objects.
 * Default: none.
 * @throws ModelError for a type that PyTorch does not have; DataError if the file cannot be written.
 */
export async function writeStateDict(
  file: string,
  tensors: ReadonlyMap<string, Tensor>,
  key?: string,
): Promise<void> {
  const pickle = new Pickle();
  const numbers = new Map<Tensor, number>();
  if (key !== undefined) pickle.op('}(').text(key);
  pickle.global('collections', 'OrderedDict').op(')R(');
  for (const [name, tensor] of tensors) {
    const number = numbers.get(tensor) ?? numbers.size;
    numbers.set(tensor, number);
    pickle.text(name);
    addTensor(pickle, tensor, String(number), name);
  }
  pickle.op('u');
  if (key !== undefined) pickle.op('u');
  const folder = basename(file).replace(/\.\w+$/, '') || 'archive';
  const members: ZipContent[] = [
    { name: `${folder}/data.pkl`, bytes: pickle.end() },
    { name: `${folder}/byteorder`, bytes: Buffer.from('little') },
    ...[...numbers].map(([{ data }, number]) => ({
      name: `${folder}/data/${number}`,
      bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    })),
    { name: `${folder}/version`, bytes: Buffer.from('3\n') },
  ];
  await writeZip(file, members, 64);
}

/** `torch._utils._rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())`. */
function addTensor(pickle: Pickle, { type, dims, data }: Tensor, number: string, name: string): void {
  const storage = storages[type];
  if (!storage) {
    throw new ModelError(`The tensor ${show(name)} is of type ${type}, which PyTorch does not have.`);
  }
  const strides = dims.map((_, axis) => sizeOf(dims.slice(axis + 1)));
  pickle.global('torch._utils', '_rebuild_tensor_v2').op('((').text('storage').global('torch', storage);
  pickle.text(number).text('cpu').integer(data.length).op('tQ').integer(0);
  for (const list of [dims, strides]) {
    pickle.op('(');
    for (const n of list) pickle.integer(n);
    pickle.op('t');
  }
  pickle.op('\x89').global('collections', 'OrderedDict').op(')RtR');
}

/**
 * A pickle of protocol 2 in the making: the opcodes that are needed here. See `pickletools.py` of CPython for
 * their meanings.
 */
class Pickle {
  readonly #parts: Buffer[] = [Buffer.from('\x80\x02', 'latin1')];

  /** Opcodes without arguments. */
  op(codes: string): this {
    this.#parts.push(Buffer.from(codes, 'latin1'));
    return this;
  }

  /** A class or function. */
  global(module: string, name: string): this {
    return this.op(`c${module}\n${name}\n`);
  }

  text(value: string): this {
    const bytes = Buffer.from(value);
    const head = Buffer.from('X\0\0\0\0', 'latin1');
    head.writeUInt32LE(bytes.length, 1);
    this.#parts.push(head, bytes);
    return this;
  }

  integer(value: number): this {
    const bytes = Buffer.from('J\0\0\0\0', 'latin1');
    bytes.writeInt32LE(value, 1);
    this.#parts.push(bytes);
    return this;
  }

  end(): Buffer {
    return Buffer.concat([...this.#parts, Buffer.from('.')]);
  }
}
