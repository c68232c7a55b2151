import { ModelError, messageOf, show, showBytes } from '../../errors.js';
import { type ElementType, elementArrays, sizeOf, tensor } from '../tensor.js';
import { StoredTensor } from './storedTensor.js';

/** The format's names of element types. */
const types: Readonly<Record<string, ElementType>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U64: 'uint64',
  U32: 'uint32',
  U16: 'uint16',
  U8: 'uint8',
  BOOL: 'bool',
};

/** More than the header of any network needs: about 100 bytes for each tensor. */
const longestHeader = 16 << 20;

/** Whether bytes look like a safetensors file: the length of a header, and a header of JSON. */
export function isSafetensors(bytes: Uint8Array): boolean {
  return bytes.length > 8 && bytes[8] === 0x7b;
}

/**
 * The tensors of a safetensors file by name, in the order of its header.
 *
 * Source: https://huggingface.co/docs/safetensors, "Format". As there, tensors must fill the file without
 * overlaps and without gaps.
 *
 * @throws ModelError when the header or an entry of it is faulty.
 */
export function readSafetensors(bytes: Uint8Array): Map<string, StoredTensor> {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  const start = 8 + length;
  if (length > longestHeader || start > bytes.length) {
    throw new ModelError(
      `it claims a header of ${showBytes(length)}, but it has ${showBytes(bytes.length)}, and a header has at most ` +
        showBytes(longestHeader),
    );
  }
  const header = parseHeader(new TextDecoder().decode(bytes.subarray(8, start)));
  const tensors = new Map<string, StoredTensor>();
  const parts: { readonly name: string; readonly begin: number; readonly end: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const { type, dims, begin, end } = readEntry(name, entry);
    parts.push({ name, begin, end });
    // Checked below, before anything is read: the part lies in the file.
    const read = () => {
      const data = new Uint8Array(bytes.subarray(start + begin, start + end));
      return tensor(type, dims, new elementArrays[type](data.buffer, data.byteOffset, sizeOf(dims)));
    };
    tensors.set(name, new StoredTensor(type, dims, read));
  }
  let at = 0;
  for (const { name, begin, end } of parts.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at) {
      const fault = begin < at ? 'overlaps the one before it' : 'leaves a gap before it';
      throw new ModelError(`its tensor ${show(name)} begins at ${begin}, which ${fault} (it ends at ${at})`);
    }
    at = end;
  }
  const rest = bytes.length - start;
  if (at !== rest) {
    throw new ModelError(
      `its tensors end at ${at}, but ${rest} bytes follow the header: the file is ${
        at > rest ? 'cut off' : 'damaged'
      }`,
    );
  }
  return tensors;
}

function parseHeader(text: string): object {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw new ModelError(`its header is no JSON: ${messageOf(error).slice(0, 200)}`);
  }
  if (typeof header === 'object' && header !== null && !Array.isArray(header)) return header;
  throw new ModelError('its header must be a map of names to tensors');
}

function readEntry(
  name: string,
  entry: unknown,
): { type: ElementType; dims: readonly number[]; begin: number; end: number } {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof dtype !== 'string' || !Object.hasOwn(types, dtype)) {
    throw new ModelError(
      `its tensor ${show(name)} has the type ${typeof dtype === 'string' ? show(dtype) : 'none'}; known are ` +
        Object.keys(types).join(', '),
    );
  }
  if (!areCounts(shape) || shape.length > 64) throw new ModelError(`its tensor ${show(name)} has no shape`);
  if (!areCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw new ModelError(`its tensor ${show(name)} has no proper data_offsets`);
  }
  const type = types[dtype];
  const [begin, end] = offsets;
  const size = sizeOf(shape) * elementArrays[type].BYTES_PER_ELEMENT;
  if (size !== end - begin) {
    throw new ModelError(
      `its tensor ${show(name)} of ${dtype} ${show(shape)} takes ${size} bytes, but its data_offsets give ${end - begin}`,
    );
  }
  return { type, dims: shape, begin, end };
}

function areCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
