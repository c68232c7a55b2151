import { constants, gunzipSync } from 'node:zlib';
import { inflateFault, isGzip, mostBytes } from './inflate.js';
import { isNiftiHeader, niftiHeaderBytes, parseNiftiHeader } from './niftiHeader.js';
import { readStart, withFile } from './openFile.js';
import { type RasterHeader, rasterFormat } from './raster.js';
import { checkLength } from './voxelTaker.js';

/** NIfTI-1 and NIfTI-2 in one file, plain or gzip-compressed. */
export const nifti = rasterFormat({
  name: 'NIfTI',
  extensions: ['.nii.gz', '.nii'],
  matches: (start) => isGzip(start) || isNiftiHeader(start),
  readHeader,
});

/**
 * Reads the header, and no more of the file than that takes.
 *
 * @throws DataError if the file cannot be read, or its header is not usable (see `parseNiftiHeader`) or says
 * more voxels than a file of that length can hold.
 */
async function readHeader(file: string): Promise<RasterHeader> {
  return withFile(file, async (open, fileBytes) => {
    for (let length = 4096; ; length *= 4) {
      const known = await readStart(open, Math.min(length, fileBytes));
      const whole = length >= fileBytes;
      const compressed = isGzip(known);
      const bytes = compressed ? inflateStart(known, whole, file) : known;
      if (bytes.length < niftiHeaderBytes && !whole) continue;
      const { fields, ...header } = parseNiftiHeader(bytes, file);
      checkLength(file, header, mostBytes(fileBytes, compressed));
      return { ...header, nifti: fields, start: 0, compressed };
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
