import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { DataError, messageOf } from '../../errors.js';
import { readFault, writeAside } from '../../formats/aside.js';
import { type ElementType, elementArrays, sizeOf, type Tensor } from '../tensor.js';

/** Element types by their names in the file. */
const typeNames: Readonly<Record<string, ElementType>> = {
  F32: 'float32',
  F64: 'float64',
  F16: 'float16',
  BF16: 'bfloat16',
  I8: 'int8',
  U8: 'uint8',
  I16: 'int16',
  U16: 'uint16',
  I32: 'int32',
  U32: 'uint32',
  I64: 'int64',
  U64: 'uint64',
  BOOL: 'bool',
};

/** The metadata entry with the SHA-256 of all tensors' bytes. */
const checksumKey = 'sha256';

/** The longest header that is read, in bytes. */
const longestHeader = 100 << 20;

/** Tensors by name, and texts about them. */
export interface TensorFile {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Writes tensors as a safetensors file: eight bytes with the header's length, a JSON header, and the numbers,
 * little endian. Other programs read it as well. The file is written completely or not at all, and its header
 * has a checksum of the numbers.
 *
 * @throws DataError if it cannot be written.
 */
export async function writeTensors(file: string, { tensors, metadata }: TensorFile): Promise<void> {
  const parts = [...tensors.values()].map(({ data }) => bytesOf(data));
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  const entries: Record<string, object> = {
    __metadata__: { ...metadata, [checksumKey]: hash.digest('hex') },
  };
  let offset = 0;
  for (const [name, { type, dims, data }] of tensors) {
    const dtype = Object.keys(typeNames).find((key) => typeNames[key] === type);
    entries[name] = { dtype, shape: dims, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  // The numbers start at a multiple of eight bytes.
  const text = JSON.stringify(entries);
  const header = Buffer.from(text.padEnd(text.length + ((8 - (Buffer.byteLength(text) % 8)) % 8)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeAside(file, async (temporary) => {
    const handle = await open(temporary, 'wx');
    try {
      for (const part of [length, header, ...parts]) await handle.writeFile(part);
    } finally {
      await handle.close();
    }
  });
}

/**
 * Reads a safetensors file. Sizes and offsets are checked before memory is allocated, and the numbers are
 * compared with the checksum if the header has one.
 *
 * @throws DataError if it cannot be read or is damaged.
 */
export async function readTensors(file: string): Promise<TensorFile> {
  try {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      const read = async (length: number, position: number) => {
        const bytes = new Uint8Array(length);
        const { bytesRead } = await handle.read(bytes, 0, length, position);
        if (bytesRead !== length) throw new Damage('it ends too early');
        return bytes;
      };
      if (size < 8) throw new Damage(`it has ${size} bytes, too few for a header`);
      const headerLength = Number(new DataView((await read(8, 0)).buffer).getBigUint64(0, true));
      if (headerLength > longestHeader || 8 + headerLength > size) {
        throw new Damage(`its header should have ${headerLength} bytes, but the file has ${size}`);
      }
      const header = parseHeader(new TextDecoder().decode(await read(headerLength, 8)));
      const start = 8 + headerLength;
      const hash = createHash('sha256');
      const tensors = new Map<string, Tensor>();
      let expected = 0;
      for (const { name, type, dims, from, to } of header.entries) {
        if (from !== expected || start + to > size) throw new Damage(`${name} is not where it should be`);
        expected = to;
        const bytes = await read(to - from, start + from);
        hash.update(bytes);
        tensors.set(name, { type, dims, data: new elementArrays[type](bytes.buffer) });
      }
      if (start + expected !== size) throw new Damage('it has more bytes than its header describes');
      const { [checksumKey]: checksum, ...metadata } = header.metadata;
      if (checksum && checksum !== hash.digest('hex'))
        throw new Damage('its content does not match its checksum');
      return { tensors, metadata };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof Damage) {
      throw new DataError(
        `${file} is not a safetensors file, or it is damaged: ${error.message}. Use an earlier copy of it.`,
      );
    }
    throw readFault(file, error);
  }
}

/** What is wrong with a file, as a clause. */
class Damage extends Error {}

function bytesOf(data: Tensor['data']): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

interface Entry {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly from: number;
  readonly to: number;
}

/** The tensors of a header, in the order of their bytes, and its texts. */
function parseHeader(text: string): { entries: Entry[]; metadata: Record<string, string> } {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new Damage(`its header is not JSON (${messageOf(error)})`);
  }
  if (!isMap(content)) throw new Damage('its header is not a map');
  const { __metadata__: texts = {}, ...rest } = content;
  if (!isMap(texts)) throw new Damage('its metadata is not a map');
  const metadata = Object.fromEntries(Object.entries(texts).map(([key, value]) => [key, String(value)]));
  const entries = Object.entries(rest).map(([name, value]): Entry => {
    const { dtype, shape, data_offsets: offsets } = isMap(value) ? value : {};
    const type = typeof dtype === 'string' && Object.hasOwn(typeNames, dtype) ? typeNames[dtype] : undefined;
    if (!type || !areSizes(shape) || !areSizes(offsets) || offsets.length !== 2) {
      throw new Damage(`its entry ${name} does not describe a tensor`);
    }
    const [from, to] = offsets;
    if (to - from !== sizeOf(shape) * elementArrays[type].BYTES_PER_ELEMENT) {
      throw new Damage(`${name} of [${shape.join(', ')}] has ${to - from} bytes`);
    }
    return { name, type, dims: shape, from, to };
  });
  return { entries: entries.sort((a, b) => a.from - b.from || a.to - b.to), metadata };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function areSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
