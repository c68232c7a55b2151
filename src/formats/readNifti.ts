import { constants, gunzipSync } from 'node:zlib';
import { makeVolume, type Volume } from '../volume/volume.js';
import { type NiftiHeader, niftiHeaderBytes, parseNiftiHeader } from './niftiHeader.js';
import {
  checkLength,
  inflateFault,
  isGzip,
  mostBytes,
  type ReadOptions,
  readStart,
  streamBytes,
  VoxelTaker,
  withFile,
} from './voxelBytes.js';
import { finishVoxels } from './voxels.js';

/**
 * Reads the header of a `.nii` or `.nii.gz` file and no more of the file than that takes.
 *
 * @throws DataError when the file cannot be read, or its header is not usable (see `parseNiftiHeader`) or says more voxels than
 * a file of that length can hold.
 */
export async function readNiftiHeader(file: string): Promise<NiftiHeader> {
  return withFile(file, async (open, fileBytes) => {
    for (let length = 4096; ; length *= 4) {
      const known = await readStart(open, Math.min(length, fileBytes));
      const whole = length >= fileBytes;
      const bytes = isGzip(known) ? inflateStart(known, whole, file) : known;
      if (bytes.length < niftiHeaderBytes && !whole) continue;
      const header = parseNiftiHeader(bytes, file);
      checkLength(file, header, mostBytes(fileBytes, isGzip(known)));
      return header;
    }
  });
}

function inflateStart(bytes: Uint8Array, whole: boolean, file: string): Buffer {
  try {
    return gunzipSync(bytes, whole ? {} : { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    throw inflateFault(error, file);
  }
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
  return withFile(file, async (open, fileBytes) => {
    const compressed = isGzip(await readStart(open, 2));
    let head: Buffer = Buffer.alloc(0);
    let begun: { header: NiftiHeader; taker: VoxelTaker } | undefined;
    const begin = () => {
      const header = parseNiftiHeader(head, file);
      const taker = new VoxelTaker(file, header, mostBytes(fileBytes, compressed), options.maxBytes);
      taker.take(head);
      return { header, taker };
    };
    await streamBytes({ open, file, start: 0, compressed }, (chunk) => {
      if (begun) {
        begun.taker.take(chunk);
        return;
      }
      head = Buffer.concat([head, chunk]);
      if (head.length >= niftiHeaderBytes) begun = begin();
    });
    const { header, taker } = begun ?? begin();
    return makeVolume({
      data: finishVoxels(taker.finish(), header, file, options),
      size: header.size,
      channels: header.channels,
      affine: header.affine,
      kind: options.kind,
      origin: { file, nifti: header.fields },
    });
  });
}
