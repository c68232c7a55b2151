import { type FileHandle, open, stat } from 'node:fs/promises';
import { endianness } from 'node:os';
import { createUnzip } from 'node:zlib';
import { DataError, showBytes } from '../errors.js';
import { memoryLimit } from '../machine.js';
import {
  allocate,
  type Vec3,
  type VoxelArray,
  type VoxelType,
  voxelCount,
  voxelTypes,
} from '../volume/volume.js';
import { readFault } from './aside.js';
import { findFile } from './tar.js';

/** How an image file is read. */
export interface ReadOptions {
  /** `label` for whole numbers that name structures, `image` for everything else. */
  readonly kind: 'image' | 'label';
  /** Let NaN and infinite voxels of an image pass. Default: false, they are refused. */
  readonly nonFinite?: boolean;
  /** The most bytes that the voxels may take. Default: the memory that this process may use. */
  readonly maxBytes?: number;
}

/** How voxels are stored: a voxel type, or a 64-bit integer. */
export type StoredType = VoxelType | 'int64' | 'uint64';

/** Bytes of a stored voxel. */
export const storedBytes: Readonly<Record<StoredType, number>> = {
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  float32: 4,
  float64: 8,
};

/** True where numbers lie in memory with their lowest byte first. */
export const hostLittleEndian = endianness() === 'LE';

/** How voxels lie in a file, or in what comes out of it when it is inflated. */
export interface StoredLayout {
  /** Voxels in x, y and z; x varies fastest. */
  readonly size: Vec3;
  readonly channels: number;
  /** True where the channels of a voxel lie side by side; else the channel varies slowest. */
  readonly interleaved?: boolean;
  readonly stored: StoredType;
  readonly littleEndian: boolean;
  /** Bytes before the first voxel. */
  readonly offset: number;
  /** Voxels are `slope * stored + inter`; undefined when they are the stored numbers. */
  readonly scaling?: { readonly slope: number; readonly inter: number };
}

/** Bytes of all voxels as they are stored. */
export function dataBytes({ size, channels, stored }: StoredLayout): number {
  return voxelCount(size) * channels * storedBytes[stored];
}

/** Bytes that one voxel of one channel takes once it is read: real numbers of 4 bytes where it is scaled. */
export function bytesPerVoxel({ stored, scaling }: StoredLayout): number {
  return scaling && stored !== 'float64' ? 4 : storedBytes[stored];
}

/** Bytes that reading voxels takes at most: those stored, and a copy where they are scaled, sorted by channel or narrowed. */
export function bytesToRead(layout: StoredLayout): number {
  const { size, channels, stored, scaling, interleaved } = layout;
  const wide = stored === 'int64' || stored === 'uint64';
  const copied = scaling || (interleaved && channels > 1) ? bytesPerVoxel(layout) : wide ? 4 : 0;
  return dataBytes(layout) + voxelCount(size) * channels * copied;
}

const chunkSize = 4 << 20;

/** The most that deflate can shrink data: a match of 258 bytes takes two bits. */
const deflateRatio = 1032;

/** A file that is open, or a member of an archive that is. */
export interface OpenFile {
  readonly handle: FileHandle;
  /** Its first byte in what is open, and how many it has. */
  readonly offset: number;
  readonly size: number;
}

/**
 * Opens a regular file, or a member of a tar archive (see `findFile`), and closes it after `work`; what cannot be read becomes a
 * DataError that calls it `name`.
 */
export async function withFile<T>(
  file: string,
  work: (open: OpenFile, fileBytes: number) => Promise<T>,
  name = file,
): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    const place = await findFile(file);
    if (!place) throw Object.assign(new Error('there is no such file'), { code: 'ENOENT' });
    const found = await stat(place.file);
    // A pipe would block for ever, and its length is not known.
    if (!found.isFile() && !found.isDirectory()) {
      throw new DataError(`${name} is no regular file, but one was expected. Copy its content into a file.`);
    }
    handle = await open(place.file, 'r');
    return await work({ handle, offset: place.offset, size: place.size }, place.size);
  } catch (error) {
    throw readFault(name, error);
  } finally {
    await handle?.close();
  }
}

/** The first bytes of an open file, fewer than `length` where it is shorter. */
export async function readStart({ handle, offset, size }: OpenFile, length: number): Promise<Buffer> {
  const start = Buffer.alloc(Math.min(length, size));
  const { bytesRead } = await handle.read(start, 0, start.length, offset);
  return start.subarray(0, bytesRead);
}

/** True when bytes begin as gzip data do. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * Hands an open file's bytes from `start` on to `take`, some megabytes at a time; inflated when `compressed` (gzip, in
 * one or several members, or zlib).
 *
 * @throws DataError when compressed data are cut off, damaged, or have the wrong checksum or length.
 */
export async function streamBytes(
  { open, file, start, compressed }: { open: OpenFile; file: string; start: number; compressed: boolean },
  take: (chunk: Buffer) => void,
): Promise<void> {
  const { handle, offset, size } = open;
  if (start >= size) return;
  const source = handle.createReadStream({
    start: offset + start,
    end: offset + size - 1,
    autoClose: false,
    highWaterMark: chunkSize,
  });
  // Not stream.pipeline: it takes compressed data that end before the file does, as padding makes them, for a failure.
  const stream = compressed ? source.pipe(createUnzip({ chunkSize })) : source;
  source.once('error', (error) => stream.destroy(error));
  try {
    for await (const chunk of stream) take(chunk);
  } catch (error) {
    throw inflateFault(error, file);
  } finally {
    source.destroy();
  }
}

/** The sentence for what zlib says of damaged data; other errors as they are. */
export function inflateFault(error: unknown, file: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'Z_BUF_ERROR') {
    return new DataError(`${file} is cut off: its compressed data end too early. Copy or download it again.`);
  }
  if (code?.startsWith('Z_')) {
    return new DataError(
      `${file} is damaged: its compressed data cannot be inflated (${message}). Copy or download it again.`,
    );
  }
  return error;
}

/** The most bytes that can come out of so many of a file. */
export function mostBytes(fileBytes: number, compressed: boolean): number {
  return compressed ? fileBytes * deflateRatio : fileBytes;
}

/**
 * Takes bytes in order and puts those of the voxels in their place, on a SharedArrayBuffer. Memory is taken once the
 * layout was checked against what the file can hold (`most`) and what there is (`maxBytes`).
 *
 * Zero bytes after the voxels pass as padding when they are fewer than the smallest face of the volume holds, so that no
 * wrong dimension passes for it; anything more is refused as soon as it comes.
 */
export class VoxelTaker {
  private readonly bytes: Uint8Array<ArrayBufferLike>;
  private readonly end: number;
  private position = 0;
  private padding: number;

  constructor(
    private readonly file: string,
    private readonly layout: StoredLayout,
    most: number,
    maxBytes = memoryLimit(),
  ) {
    const { size, offset, stored } = layout;
    const length = dataBytes(layout);
    this.end = offset + length;
    checkLength(file, layout, most);
    if (bytesToRead(layout) > maxBytes) {
      throw new DataError(
        `${file} needs ${showBytes(bytesToRead(layout))} of memory (${describe(layout)}), more than the ` +
          `${showBytes(maxBytes)} there is. Crop or split it, or run on a machine with more memory.`,
      );
    }
    try {
      this.bytes = allocate('uint8', length);
    } catch {
      throw new DataError(
        `${file} needs ${showBytes(length)} of memory in one piece (${describe(layout)}), more than can be had. ` +
          'Crop or split it, or run fewer cases at once.',
      );
    }
    const [nx, ny, nz] = size;
    this.padding = Math.min(nx * ny, ny * nz, nx * nz) * storedBytes[stored] - 1;
  }

  take(chunk: Buffer): void {
    const first = Math.max(0, this.layout.offset - this.position);
    const end = this.end - this.position;
    if (first < chunk.length && end > first) {
      this.bytes.set(chunk.subarray(first, end), this.position + first - this.layout.offset);
    }
    const rest = chunk.subarray(Math.max(0, end));
    this.padding -= rest.length;
    if (this.padding < 0 || rest.some((byte) => byte !== 0)) {
      throw new DataError(
        `${this.file} holds more than the ${this.end} bytes that its header says (${describe(this.layout)}). Its header or ` +
          'its voxels are damaged; copy or download it again.',
      );
    }
    this.position += chunk.length;
  }

  /** The stored numbers, in this machine's byte order; 64-bit integers as float64. Throws when bytes are missing. */
  finish(): VoxelArray {
    if (this.position < this.end) throw tooShort(this.file, this.layout, String(this.position));
    const { stored, littleEndian } = this.layout;
    if (littleEndian !== hostLittleEndian) {
      const swapped = Buffer.from(this.bytes.buffer);
      if (storedBytes[stored] === 2) swapped.swap16();
      if (storedBytes[stored] === 4) swapped.swap32();
      if (storedBytes[stored] === 8) swapped.swap64();
    }
    if (stored === 'int64' || stored === 'uint64') return doublesOf(this.bytes.buffer, stored);
    const Stored = voxelTypes[stored] as new (buffer: ArrayBufferLike) => VoxelArray;
    return new Stored(this.bytes.buffer);
  }
}

/** Throws DataError when a header says more bytes than the file can hold, `most`. */
export function checkLength(file: string, layout: StoredLayout, most: number): void {
  if (layout.offset + dataBytes(layout) > most) throw tooShort(file, layout, `at most ${most}`);
}

function tooShort(file: string, layout: StoredLayout, holds: string): DataError {
  return new DataError(
    `${file} is cut off, or its header is damaged: it holds ${holds} bytes, but its header says ` +
      `${layout.offset + dataBytes(layout)} (${describe(layout)}). Copy or download it again.`,
  );
}

function describe({ size, channels, stored }: StoredLayout): string {
  return `${size.join(' x ')} voxels${channels > 1 ? ` and ${channels} channels` : ''} of ${stored}`;
}

/** 64-bit integers as doubles, in place; beyond 2^53 they are rounded. */
function doublesOf(buffer: ArrayBufferLike, stored: 'int64' | 'uint64'): Float64Array {
  const doubles = new Float64Array(buffer);
  const words = new Uint32Array(buffer);
  const highWords = stored === 'int64' ? new Int32Array(buffer) : words;
  const [low, high] = hostLittleEndian ? [0, 1] : [1, 0];
  for (let i = 0; i < doubles.length; i++) {
    doubles[i] = highWords[2 * i + high] * 2 ** 32 + words[2 * i + low];
  }
  return doubles;
}
