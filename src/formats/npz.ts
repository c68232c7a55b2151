import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createDeflateRaw } from 'node:zlib';
import { DataError, show } from '../errors.js';
import { memoryLimit } from '../machine.js';
import { readFault, writeAside } from './aside.js';
import { indexZip } from './zipFiles.js';

/** A NumPy array of float32 in C order: the last axis is the fastest. */
export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Bytes that are compressed at a time. */
const pieceBytes = 1 << 22;

/** Sizes and positions are in the 64-bit fields, whatever they are. */
const see64 = 0xffffffff;

/**
 * Writes a compressed `.npz` file with one array, as `numpy.savez_compressed` does. It appears whole or not
 * at all.
 *
 * @throws DataError if it cannot be written.
 */
export async function writeNpz(file: string, name: string, array: NpyArray): Promise<void> {
  await writeAside(file, async (temporary) => {
    const handle = await open(temporary, 'wx');
    try {
      await writeMember(handle, `${name}.npy`, array);
    } finally {
      await handle.close();
    }
  });
}

async function writeMember(handle: FileHandle, name: string, array: NpyArray): Promise<void> {
  const start = 30 + name.length + 20;
  let crc = 0;
  let size = 0;
  let packed = 0;
  const plain = function* () {
    for (const piece of npyPieces(array)) {
      crc = crc32(piece, crc);
      size += piece.length;
      yield piece;
    }
  };
  const source = Readable.from(plain(), { objectMode: false });
  await pipeline(source, createDeflateRaw({ level: 1 }), async (pieces) => {
    for await (const piece of pieces as AsyncIterable<Buffer>) {
      await handle.write(piece, 0, piece.length, start + packed);
      packed += piece.length;
    }
  });
  const end = endOf(name, { crc, size, packed, start });
  await handle.write(end, 0, end.length, start + packed);
  await handle.write(localHeader(name, { crc, size, packed }), 0, start, 0);
}

/** The bytes of a `.npy` file. */
function* npyPieces({ shape, data }: NpyArray): Generator<Buffer> {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  // Voxels begin at a multiple of 64 bytes.
  const text = `${dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11)}\n`;
  const header = Buffer.from(`\x93NUMPY\x01\0\0\0${text}`, 'latin1');
  header.writeUInt16LE(text.length, 8);
  yield header;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  // A copy, because zlib does not take shared memory.
  for (let at = 0; at < bytes.length; at += pieceBytes) yield Buffer.from(bytes.slice(at, at + pieceBytes));
}

interface Sizes {
  readonly crc: number;
  readonly size: number;
  readonly packed: number;
}

function localHeader(name: string, { crc, size, packed }: Sizes): Buffer {
  const header = Buffer.alloc(30 + name.length + 20);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(45, 4);
  header.writeUInt16LE(8, 8);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(see64, 18);
  header.writeUInt32LE(see64, 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(20, 28);
  header.write(name, 30, 'latin1');
  wideField(header, 30 + name.length, [size, packed]);
  return header;
}

/** The directory and the records at the end of an archive of one member. */
function endOf(name: string, { crc, size, packed, start }: Sizes & { readonly start: number }): Buffer {
  const directory = Buffer.alloc(46 + name.length + 28);
  directory.writeUInt32LE(0x02014b50, 0);
  directory.writeUInt16LE(45, 4);
  directory.writeUInt16LE(45, 6);
  directory.writeUInt16LE(8, 10);
  directory.writeUInt32LE(crc, 16);
  for (const at of [20, 24, 42]) directory.writeUInt32LE(see64, at);
  directory.writeUInt16LE(name.length, 28);
  directory.writeUInt16LE(28, 30);
  directory.write(name, 46, 'latin1');
  wideField(directory, 46 + name.length, [size, packed, 0]);
  const at = start + packed;
  const record = Buffer.alloc(56 + 20 + 22);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeUInt16LE(45, 12);
  record.writeUInt16LE(45, 14);
  const numbers = [1, 1, directory.length, at];
  for (const [i, value] of numbers.entries()) record.writeBigUInt64LE(BigInt(value), 24 + 8 * i);
  record.writeUInt32LE(0x07064b50, 56);
  record.writeBigUInt64LE(BigInt(at + directory.length), 64);
  record.writeUInt32LE(1, 72);
  record.writeUInt32LE(0x06054b50, 76);
  record.writeUInt16LE(1, 84);
  record.writeUInt16LE(1, 86);
  record.writeUInt32LE(directory.length, 88);
  record.writeUInt32LE(see64, 92);
  return Buffer.concat([directory, record]);
}

/** The extra field with 64-bit numbers. */
function wideField(into: Buffer, at: number, numbers: readonly number[]): void {
  into.writeUInt16LE(1, at);
  into.writeUInt16LE(8 * numbers.length, at + 2);
  for (const [i, value] of numbers.entries()) into.writeBigUInt64LE(BigInt(value), at + 4 + 8 * i);
}

/**
 * Reads an array of float32 in C order from a `.npz` file.
 *
 * @throws DataError naming the file, if it has no such array, or one of another type.
 */
export async function readNpz(file: string, name: string): Promise<NpyArray> {
  const refuse = (why: string) => new DataError(`${file} cannot be read: its array ${show(name)} ${why}.`);
  const bytes = await readMember(file, `${name}.npy`);
  if (bytes.length < 12 || bytes.toString('latin1', 0, 6) !== '\x93NUMPY') {
    throw refuse('is not in the .npy format');
  }
  const isWide = bytes[6] > 1;
  const from = isWide ? 12 : 10;
  const start = from + (isWide ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8));
  const header = bytes.toString('latin1', from, start);
  const [, shown] = /'shape': \(([\d, ]*)\)/.exec(header) ?? [];
  const isPlain = header.includes("'descr': '<f4'") && header.includes("'fortran_order': False");
  if (shown === undefined || !isPlain) {
    throw refuse(`has the header ${header.trim()}, but float32 ('<f4') in C order was expected`);
  }
  const shape = shown.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
  const count = shape.reduce((product, n) => product * n, 1);
  if (bytes.length - start !== 4 * count) {
    throw refuse(`has ${bytes.length - start} bytes for the shape (${shape.join(', ')})`);
  }
  // Arrays begin at multiples of four bytes; the content of a member need not.
  return { shape, data: new Float32Array(new Uint8Array(bytes.subarray(start)).buffer) };
}

async function readMember(file: string, name: string): Promise<Buffer> {
  try {
    const { zip } = await indexZip(file);
    const content = zip.read(name, memoryLimit() / 4);
    return Buffer.from(content.buffer, content.byteOffset, content.length);
  } catch (error) {
    if (error instanceof DataError) throw new DataError(`${file} cannot be read: ${error.message}.`);
    throw readFault(file, error);
  }
}
