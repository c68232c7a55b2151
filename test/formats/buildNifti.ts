import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { VoxError } from '#src/errors.js';

/**
 * What a hand-made NIfTI file holds; what is left out is a 3 x 2 x 2 int16 volume with the values 0 to 11.
 */
export interface NiftiParts {
  version?: 1 | 2;
  littleEndian?: boolean;
  dims?: readonly number[];
  datatype?: number;
  values?: readonly number[];
  slope?: number;
  inter?: number;
  /** qfac, then the voxel sizes. */
  pixdim?: readonly number[];
  qform?: { code: number; quatern: readonly number[]; offset: readonly number[] };
  sform?: { code: number; rows: readonly number[] };
  magic?: string;
  voxOffset?: number;
  descrip?: string;
  units?: number;
}

type Writer = (view: DataView, at: number, value: number, littleEndian: boolean) => void;

/** Bytes and setter of each datatype that is read. */
export const datatypes: Readonly<Record<number, readonly [string, number, Writer]>> = {
  2: ['uint8', 1, (view, at, value) => view.setUint8(at, value)],
  4: ['int16', 2, (view, at, value, le) => view.setInt16(at, value, le)],
  8: ['int32', 4, (view, at, value, le) => view.setInt32(at, value, le)],
  16: ['float32', 4, (view, at, value, le) => view.setFloat32(at, value, le)],
  64: ['float64', 8, (view, at, value, le) => view.setFloat64(at, value, le)],
  256: ['int8', 1, (view, at, value) => view.setInt8(at, value)],
  512: ['uint16', 2, (view, at, value, le) => view.setUint16(at, value, le)],
  768: ['uint32', 4, (view, at, value, le) => view.setUint32(at, value, le)],
  1024: ['int64', 8, (view, at, value, le) => view.setBigInt64(at, BigInt(value), le)],
  1280: ['uint64', 8, (view, at, value, le) => view.setBigUint64(at, BigInt(value), le)],
};

/** A NIfTI file, byte by byte. */
export function buildNifti(parts: NiftiParts = {}): Buffer {
  const { version = 1, littleEndian: le = true, dims = [3, 2, 2], datatype = 4 } = parts;
  const count = dims.reduce((product, n) => product * n, 1);
  const values = parts.values ?? Array.from({ length: count }, (_, i) => i);
  const [, width, write] = datatypes[datatype] ?? ['', 1, () => {}];
  const start = version === 1 ? 352 : 544;
  const bytes = Buffer.alloc(start + values.length * width);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { pixdim = [1, 1, 1, 1], slope = 1, inter = 0, voxOffset = start } = parts;
  const allDims = [dims.length, ...dims];
  const rest = { qform: { code: 0, quatern: [0, 0, 0], offset: [0, 0, 0] }, sform: { code: 0, rows: [] } };
  const { qform, sform } = { ...rest, ...parts };
  const numbers = (at: number, list: readonly number[]) =>
    list.forEach((value, i) => {
      if (version === 1) view.setFloat32(at + 4 * i, value, le);
      else view.setFloat64(at + 8 * i, value, le);
    });
  if (version === 1) {
    view.setInt32(0, 348, le);
    allDims.forEach((n, i) => {
      view.setInt16(40 + 2 * i, n, le);
    });
    view.setInt16(70, datatype, le);
    view.setInt16(72, 8 * width, le);
    numbers(76, pixdim);
    numbers(108, [voxOffset, slope, inter]);
    bytes.write(parts.descrip ?? '', 148, 'latin1');
    view.setUint8(123, parts.units ?? 0);
    view.setInt16(252, qform.code, le);
    view.setInt16(254, sform.code, le);
    numbers(256, [...qform.quatern, ...qform.offset]);
    numbers(280, sform.rows);
    bytes.write(parts.magic ?? 'n+1\0', 344, 'latin1');
  } else {
    view.setInt32(0, 540, le);
    bytes.write(parts.magic ?? 'n+2\0\r\n\x1a\n', 4, 'latin1');
    view.setInt16(12, datatype, le);
    view.setInt16(14, 8 * width, le);
    allDims.forEach((n, i) => {
      view.setBigInt64(16 + 8 * i, BigInt(n), le);
    });
    numbers(104, pixdim);
    view.setBigInt64(168, BigInt(voxOffset), le);
    numbers(176, [slope, inter]);
    bytes.write(parts.descrip ?? '', 240, 'latin1');
    view.setInt32(500, parts.units ?? 0, le);
    view.setInt32(344, qform.code, le);
    view.setInt32(348, sform.code, le);
    numbers(352, [...qform.quatern, ...qform.offset]);
    numbers(400, sform.rows);
  }
  values.forEach((value, i) => {
    write(view, start + i * width, value, le);
  });
  return bytes;
}

/** A folder for a test file's files, removed when the process ends. */
export function temporaryFolder(): (name: string, content?: Uint8Array | string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'voxstream-test-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return (name, content) => {
    const file = join(folder, name);
    if (content !== undefined) writeFileSync(file, content);
    return file;
  };
}

/** Whole numbers from 0 to below n, the same ones every time: a linear congruential generator. */
export function lcg(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** Asserts that a promise fails with a VoxError whose message matches every pattern. */
export async function fails(promise: Promise<unknown>, ...patterns: (RegExp | string)[]): Promise<void> {
  let error: unknown;
  try {
    await promise;
  } catch (thrown) {
    error = thrown;
  }
  if (!(error instanceof VoxError)) throw new Error(`a VoxError was expected, but got ${error}`);
  for (const pattern of patterns) {
    if (typeof pattern === 'string')
      assert.ok(error.message.includes(pattern), `${error.message} lacks ${pattern}`);
    else assert.match(error.message, pattern);
  }
}
