import { DataError, showBytes } from '../errors.js';
import { memoryLimit } from '../machine.js';
import { allocate, type VoxelArray, voxelTypes } from '../volume/volume.js';
import {
  bytesToRead,
  dataBytes,
  describeLayout,
  hostLittleEndian,
  type StoredLayout,
  storedBytes,
} from './layout.js';

/** The most bytes that a footer may take. */
const mostFooter = 4 << 20;

/**
 * Takes bytes in order and puts those of the voxels in their place, on a SharedArrayBuffer. Memory is only
 * allocated once the layout was checked against what the file can hold (`most`) and the memory there is
 * (`maxBytes`).
 *
 * Zero bytes after the voxels pass as padding if they are fewer than the smallest face of the volume takes,
 * since more could hide a wrong dimension. Anything else is refused as soon as it arrives, unless the layout
 * knows footers.
 */
export class VoxelTaker {
  private readonly bytes: Uint8Array<ArrayBufferLike>;
  private readonly end: number;
  private position = 0;
  private padding: number;
  private readonly footer: Buffer[] = [];

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
        `${file} needs ${showBytes(bytesToRead(layout))} of memory (${describeLayout(layout)}), but only ` +
          `${showBytes(maxBytes)} are available. Crop or split it, or run on a machine with more memory.`,
      );
    }
    try {
      this.bytes = allocate('uint8', length);
    } catch {
      throw new DataError(
        `${file} needs ${showBytes(length)} of memory in one piece (${describeLayout(layout)}), more than ` +
          'is available. Crop or split it, or run fewer cases at once.',
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
    if (this.layout.isFooter && rest.length > 0) {
      this.footer.push(Buffer.from(rest));
      if (this.position + chunk.length - this.end > mostFooter) throw this.tooLong();
    } else {
      this.padding -= rest.length;
      if (this.padding < 0 || rest.some((byte) => byte !== 0)) throw this.tooLong();
    }
    this.position += chunk.length;
  }

  private tooLong(): DataError {
    return new DataError(
      `${this.file} holds more than the ${this.end} bytes that its header says ` +
        `(${describeLayout(this.layout)}). Its ` +
        'header or its voxels are damaged; copy or download it again.',
    );
  }

  /**
   * The stored numbers, in this machine's byte order; 64-bit integers as float64. Throws if bytes are
   * missing, or if others than a footer follow.
   */
  finish(): VoxelArray {
    if (this.position < this.end) throw tooShort(this.file, this.layout, String(this.position));
    const { stored, littleEndian, isFooter } = this.layout;
    if (isFooter?.(Buffer.concat(this.footer)) === false) throw this.tooLong();
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

/** Throws DataError if a header says more bytes than the file can hold, `most`. */
export function checkLength(file: string, layout: StoredLayout, most: number): void {
  if (layout.offset + dataBytes(layout) > most) throw tooShort(file, layout, `at most ${most}`);
}

function tooShort(file: string, layout: StoredLayout, holds: string): DataError {
  return new DataError(
    `${file} is cut off, or its header is damaged: it holds ${holds} bytes, but its header says ` +
      `${layout.offset + dataBytes(layout)} (${describeLayout(layout)}). Copy or download it again.`,
  );
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
