import { type FileHandle, open, stat } from 'node:fs/promises';
import { constants, createGunzip, gunzipSync } from 'node:zlib';
import { DataError, showBytes } from '../errors.js';
import { memoryLimit } from '../runtime/machine.js';
import type { Volume, VoxelArray } from '../volume/volume.js';
import { allocate, makeVolume, voxelTypes } from '../volume/volume.js';
import { readFault } from './aside.js';
import {
  hostLittleEndian,
  type NiftiHeader,
  niftiDatatypes,
  niftiHeaderBytes,
  parseNiftiHeader,
} from './niftiHeader.js';
import { asImage, asLabels } from './voxels.js';

/** How an image file is read. */
export interface ReadOptions {
  /** `label` for whole numbers that name structures, `image` for everything else. */
  readonly kind: 'image' | 'label';
  /** Let NaN and infinite voxels of an image pass. Default: false, they are refused. */
  readonly nonFinite?: boolean;
  /** The most bytes that the voxels may take. Default: the memory that this process may use. */
  readonly maxBytes?: number;
}

const chunkSize = 4 << 20;

/** The most that deflate can shrink data: a match of 258 bytes takes two bits. */
const gzipRatio = 1032;

/**
 * Reads the header of a `.nii` or `.nii.gz` file and no more of the file than that takes.
 *
 * @throws DataError when the file cannot be read or its header is not usable; see `parseNiftiHeader`.
 */
export async function readNiftiHeader(file: string): Promise<NiftiHeader> {
  return withFile(file, async (handle, fileBytes) => {
    for (let length = 4096; ; length *= 4) {
      const start = Buffer.alloc(Math.min(length, fileBytes));
      const { bytesRead } = await handle.read(start, 0, start.length, 0);
      const known = start.subarray(0, bytesRead);
      const whole = length >= fileBytes;
      const bytes = isGzip(known) ? inflateStart(known, whole, file) : known;
      if (bytes.length >= niftiHeaderBytes || whole) return parseNiftiHeader(bytes, file);
    }
  });
}

/**
 * Reads a `.nii` or `.nii.gz` file (by its content, whatever its name) of NIfTI-1 or NIfTI-2.
 *
 * Size [nx, ny, nz], x fastest; a fourth dimension becomes channels. The affine is voxel index to mm, RAS+, by
 * nibabel's rules (see `parseNiftiHeader`). Voxels keep the stored type; with a slope or intercept they are computed in
 * double precision and become float32 (float64 where they are stored as float64). 64-bit integers become int32 where
 * they fit, else float64. Labels that are stored as real numbers, with a slope, or in 64 bits become the smallest
 * integer type that holds them. The voxels lie on a SharedArrayBuffer.
 *
 * Every byte is accounted for: a file that is cut off, has a wrong checksum, or holds more or less than its header says
 * is refused. Zero bytes at the end pass as padding when they are fewer than the smallest face of the volume holds, so
 * that no wrong dimension passes for it. Memory is taken only after the header was checked against `maxBytes` and
 * against what a file of that length can hold.
 *
 * @throws DataError when the file cannot be read, is damaged or no 3D image, needs more than `maxBytes`, holds NaN or
 * infinite voxels (unless `nonFinite`), or labels that are not whole numbers.
 */
export async function readNifti(file: string, options: ReadOptions): Promise<Volume> {
  const { header, bytes } = await readStored(file, options.maxBytes ?? memoryLimit());
  const stored = storedNumbers(header, bytes);
  const wide = header.stored === 'int64' || header.stored === 'uint64';
  const about = { file, size: header.size, scaling: header.scaling, wide };
  return makeVolume({
    data: options.kind === 'label' ? asLabels(stored, about) : asImage(stored, about, options.nonFinite),
    size: header.size,
    channels: header.channels,
    affine: header.affine,
    kind: options.kind,
    origin: { file, nifti: header.fields },
  });
}

/** Bytes that a voxel takes once it is read. */
export function niftiVoxelBytes({ stored, scaling }: NiftiHeader): number {
  return scaling && stored !== 'float64' ? 4 : niftiDatatypes[stored].bytes;
}

/** Reads a file from its beginning: the header, and the voxels' bytes as they are stored. */
async function readStored(
  file: string,
  maxBytes: number,
): Promise<{ header: NiftiHeader; bytes: Uint8Array }> {
  return withFile(file, async (handle, fileBytes) => {
    const magic = Buffer.alloc(2);
    await handle.read(magic, 0, 2, 0);
    const gzip = isGzip(magic);
    const taker = new Taker(file, maxBytes, fileBytes * (gzip ? gzipRatio : 1));
    const source = handle.createReadStream({ start: 0, autoClose: false, highWaterMark: chunkSize });
    // Not stream.pipeline: it takes gzip data that end before the file does, as padding makes them, for a failure.
    const stream = gzip ? source.pipe(createGunzip({ chunkSize })) : source;
    source.once('error', (error) => stream.destroy(error));
    try {
      for await (const chunk of stream) taker.take(chunk);
    } catch (error) {
      throw gzipFault(error, file, taker.progress());
    } finally {
      source.destroy();
    }
    return taker.finish();
  });
}

/** Takes a file's bytes in order, and puts those of the voxels in their place. */
class Taker {
  private head: Buffer = Buffer.alloc(0);
  private header?: NiftiHeader;
  private bytes = new Uint8Array(0);
  private position = 0;
  /** How many zero bytes may follow the voxels. */
  private padding = 0;

  constructor(
    private readonly file: string,
    private readonly maxBytes: number,
    private readonly mostInFile: number,
  ) {}

  take(chunk: Buffer): void {
    if (this.header) {
      this.place(chunk);
      return;
    }
    this.head = Buffer.concat([this.head, chunk]);
    if (this.head.length >= niftiHeaderBytes) this.begin();
  }

  finish(): { header: NiftiHeader; bytes: Uint8Array } {
    const header = this.header ?? this.begin();
    const missing = header.voxOffset + header.dataBytes - this.position;
    if (missing > 0) throw this.tooShort(header, this.position);
    return { header, bytes: this.bytes };
  }

  /** How far reading came, for a message. */
  progress(): string {
    if (!this.header) return `after ${this.head.length} bytes`;
    return `after ${this.position} of ${this.header.voxOffset + this.header.dataBytes} bytes`;
  }

  private begin(): NiftiHeader {
    const header = parseNiftiHeader(this.head, this.file);
    const { dataBytes, voxOffset, size, channels, stored } = header;
    if (voxOffset + dataBytes > this.mostInFile) throw this.tooShort(header, this.mostInFile, 'at most ');
    const voxels = dataBytes / niftiDatatypes[stored].bytes;
    const needed = Math.max(dataBytes, header.scaling ? dataBytes + voxels * niftiVoxelBytes(header) : 0);
    const what = `${size.join(' x ')} voxels${channels > 1 ? ` and ${channels} channels` : ''} of ${stored}`;
    if (needed > this.maxBytes) {
      throw new DataError(
        `${this.file} needs ${showBytes(needed)} of memory (${what}), more than the ${showBytes(this.maxBytes)} ` +
          'there is. Crop or split it, or run on a machine with more memory.',
      );
    }
    try {
      this.bytes = allocate('uint8', dataBytes);
    } catch {
      throw new DataError(
        `${this.file} needs ${showBytes(dataBytes)} of memory in one piece (${what}), more than can be had. ` +
          'Crop or split it, or run fewer cases at once.',
      );
    }
    const [nx, ny, nz] = size;
    this.padding = Math.min(nx * ny, ny * nz, nx * nz) * niftiDatatypes[stored].bytes - 1;
    this.header = header;
    this.place(this.head);
    this.head = Buffer.alloc(0);
    return header;
  }

  private place(chunk: Buffer): void {
    const header = this.header as NiftiHeader;
    const first = Math.max(0, header.voxOffset - this.position);
    const end = header.voxOffset + header.dataBytes - this.position;
    if (first < chunk.length && end > first) {
      this.bytes.set(chunk.subarray(first, end), this.position + first - header.voxOffset);
    }
    const rest = chunk.subarray(Math.max(0, end));
    this.padding -= rest.length;
    if (this.padding < 0 || rest.some((byte) => byte !== 0)) {
      throw new DataError(
        `${this.file} holds more than the ${header.voxOffset + header.dataBytes} bytes that its header says ` +
          `(${header.size.join(' x ')} voxels and ${header.channels} channel(s) of ${header.stored}). Its header or its ` +
          'voxels are damaged; copy or download it again.',
      );
    }
    this.position += chunk.length;
  }

  private tooShort(header: NiftiHeader, holds: number, about = ''): DataError {
    return new DataError(
      `${this.file} is cut off, or its header is damaged: it holds ${about}${holds} bytes, but its header says ` +
        `${header.voxOffset + header.dataBytes} (${header.size.join(' x ')} voxels and ${header.channels} channel(s) of ` +
        `${header.stored}). Copy or download it again.`,
    );
  }
}

async function withFile<T>(
  file: string,
  work: (handle: FileHandle, fileBytes: number) => Promise<T>,
): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    const found = await stat(file);
    // A pipe would block for ever, and its length is not known.
    if (!found.isFile() && !found.isDirectory()) {
      throw new DataError(`${file} is no regular file, but one was expected. Copy its content into a file.`);
    }
    handle = await open(file, 'r');
    return await work(handle, found.size);
  } catch (error) {
    throw readFault(file, error);
  } finally {
    await handle?.close();
  }
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function inflateStart(bytes: Uint8Array, whole: boolean, file: string): Buffer {
  try {
    return gunzipSync(bytes, whole ? {} : { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    throw gzipFault(error, file, 'at its beginning');
  }
}

/** The sentence for what zlib says of damaged gzip data; other errors as they are. */
function gzipFault(error: unknown, file: string, where: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'Z_BUF_ERROR') {
    return new DataError(`${file} is cut off: its gzip data end ${where}. Copy or download it again.`);
  }
  if (code?.startsWith('Z_')) {
    return new DataError(
      `${file} is damaged: its gzip data are wrong ${where} (${message}). Copy or download it again.`,
    );
  }
  return error;
}

/** The stored numbers in this machine's byte order; 64-bit integers as float64. */
function storedNumbers(header: NiftiHeader, bytes: Uint8Array): VoxelArray {
  const { stored, littleEndian } = header;
  const width = niftiDatatypes[stored].bytes;
  if (littleEndian !== hostLittleEndian) {
    const swapped = Buffer.from(bytes.buffer);
    if (width === 2) swapped.swap16();
    if (width === 4) swapped.swap32();
    if (width === 8) swapped.swap64();
  }
  if (stored === 'int64' || stored === 'uint64') return doubles64(bytes.buffer, stored === 'int64');
  const Stored = voxelTypes[stored] as new (buffer: ArrayBufferLike) => VoxelArray;
  return new Stored(bytes.buffer);
}

/** 64-bit integers as doubles, in place; beyond 2^53 they are rounded. */
function doubles64(buffer: ArrayBufferLike, signed: boolean): Float64Array {
  const doubles = new Float64Array(buffer);
  const words = new Uint32Array(buffer);
  const signedWords = new Int32Array(buffer);
  const [low, high] = hostLittleEndian ? [0, 1] : [1, 0];
  const highWords = signed ? signedWords : words;
  for (let i = 0; i < doubles.length; i++) {
    doubles[i] = highWords[2 * i + high] * 2 ** 32 + words[2 * i + low];
  }
  return doubles;
}
