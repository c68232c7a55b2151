import { crc32, deflateRawSync } from 'node:zlib';

/** A member to pack, and how: what its headers say may differ from what it is. */
export interface Packed {
  readonly name: string;
  readonly data: Uint8Array;
  readonly deflated?: boolean;
  readonly crc?: number;
  readonly size?: number;
}

/** A zip archive; with `wide`, its sizes and positions stand in the 64-bit fields. */
export function buildZip(members: readonly Packed[], wide = false): Buffer {
  const files: Buffer[] = [];
  const entries: Buffer[] = [];
  let offset = 0;
  for (const { name, data, deflated, crc = crc32(data), size = data.length } of members) {
    const content = deflated ? deflateRawSync(data) : data;
    const local = header(0x04034b50, 30, name);
    files.push(local, Buffer.from(content));
    const extra = Buffer.alloc(wide ? 28 : 0);
    const central = header(0x02014b50, 46, name);
    central.writeUInt16LE(deflated ? 8 : 0, 10);
    central.writeUInt32LE(crc, 16);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt16LE(extra.length, 30);
    const numbers = [size, content.length, offset];
    for (const [i, field] of [24, 20, 42].entries()) {
      central.writeUInt32LE(wide ? 0xffffffff : numbers[i], field);
      if (wide) extra.writeBigUInt64LE(BigInt(numbers[i]), 4 + 8 * i);
    }
    if (wide) extra.writeUInt32LE(1 | (24 << 16), 0);
    entries.push(central, extra);
    offset += local.length + content.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(wide ? 0xffff : members.length, 10);
  end.writeUInt32LE(wide ? 0xffffffff : directory.length, 12);
  end.writeUInt32LE(wide ? 0xffffffff : offset, 16);
  const record = Buffer.alloc(wide ? 76 : 0);
  if (wide) {
    record.writeUInt32LE(0x06064b50, 0);
    for (const [i, value] of [members.length, directory.length, offset].entries()) {
      record.writeBigUInt64LE(BigInt(value), 32 + 8 * i);
    }
    record.writeUInt32LE(0x07064b50, 56);
    record.writeBigUInt64LE(BigInt(offset + directory.length), 64);
  }
  return Buffer.concat([...files, directory, record, end]);
}

function header(signature: number, length: number, name: string): Buffer {
  const bytes = Buffer.alloc(length + name.length);
  bytes.writeUInt32LE(signature, 0);
  if (length === 30) bytes.writeUInt16LE(name.length, 26);
  bytes.write(name, length, 'latin1');
  return bytes;
}

/** A checkpoint of a pickle and the storages it refers to. */
export function buildCheckpoint(
  pickle: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = {},
): Buffer {
  return buildZip([
    { name: 'archive/data.pkl', data: pickle },
    ...Object.entries(storages).map(([key, data]) => ({ name: `archive/data/${key}`, data })),
  ]);
}

/** A pickle written out by hand: numbers are opcodes and bytes, texts are themselves. */
export function pickleOf(...parts: readonly (number | string)[]): Buffer {
  const bytes = parts.map((part) =>
    typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part, 'latin1'),
  );
  return Buffer.concat([Buffer.from([0x80, 2]), ...bytes, Buffer.from('.')]);
}

/** The opcodes of a short text (SHORT_BINUNICODE). */
export function text(value: string): string {
  return `\x8c${String.fromCharCode(value.length)}${value}`;
}

/** What of a tensor's pickle may be written wrongly, each as its bytes. */
export interface PickledTensor {
  readonly storageClass?: string;
  readonly elements?: number;
  readonly offset?: number;
  readonly dims?: readonly number[];
  readonly strides?: readonly number[];
  /** The name of a dtype, for a storage without a type. */
  readonly dtype?: string;
}

/** The pickle of `{'t': tensor}`, whose values are the storage `0`. */
export function tensorPickle(told: PickledTensor): Buffer {
  const {
    storageClass = 'torch\nFloatStorage',
    elements = 4,
    offset = 0,
    dims = [2, 2],
    strides = [2, 1],
  } = told;
  const int = (value: number) => {
    const bytes = Buffer.alloc(10);
    bytes.writeBigInt64LE(BigInt(value), 2);
    bytes.set([0x8a, 8]);
    return bytes.toString('latin1');
  };
  const tuple = (values: readonly number[]) => `(${values.map(int).join('')}t`;
  const storage = `(${text('storage')}c${storageClass}\n${text('0')}${text('cpu')}${int(elements)}tQ`;
  const rebuild = told.dtype ? '_rebuild_tensor_v3' : '_rebuild_tensor_v2';
  const rest = told.dtype ? `\x89}ctorch\n${told.dtype}\n` : '\x89}';
  const args = `(${storage}${int(offset)}${tuple(dims)}${tuple(strides)}${rest}t`;
  return pickleOf('}', text('t'), `ctorch._utils\n${rebuild}\n`, args, 'Rs');
}
