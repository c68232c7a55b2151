import { dirname, isAbsolute, join, win32 } from 'node:path';
import { DataError, show } from '../errors.js';
import { type Affine, makeVolume, type NiftiFields, type Volume } from '../volume/volume.js';
import { type ImageFormat, imageFormat, type ReadOptions } from './define.js';
import { mostBytes, streamBytes } from './inflate.js';
import { dataBytes, gridOf, type StoredLayout } from './layout.js';
import { withFile } from './openFile.js';
import { finishVoxels } from './voxels.js';
import { VoxelTaker } from './voxelTaker.js';

/** What the header of a file says; `offset` counts from `start`, in the inflated data. */
export interface RasterHeader extends StoredLayout {
  /** Voxel index to mm, RAS+. */
  readonly affine: Affine;
  /** The file that holds the voxels, as the header names it; undefined if they follow the header. */
  readonly dataFile?: string;
  /** Bytes of the file before the (compressed) data. */
  readonly start: number;
  /** True if the voxels are the last bytes of the file, whatever comes before them. */
  readonly atEnd?: boolean;
  /** True for gzip or zlib data. */
  readonly compressed: boolean;
  /** NIfTI header fields for files that derive from this one. */
  readonly nifti?: NiftiFields;
}

/**
 * Defines a format whose files are a header and then the voxels, raw or compressed, in the same file or in
 * one beside it.
 *
 * itk-wasm reads such formats too, but returns a full-size image for a compressed file that is cut off or
 * damaged, the rest filled with zeros. Here every byte is counted and every checksum verified.
 */
export function rasterFormat({
  readHeader,
  ...format
}: Pick<ImageFormat, 'name' | 'extensions' | 'matches'> & {
  /** Reads the header. Throws DataError if the file cannot be read or its header is not usable. */
  readonly readHeader: (file: string) => Promise<RasterHeader>;
}): ImageFormat {
  return imageFormat({
    ...format,
    readGrid: async (file) => gridOf(await readHeader(file)),
    read: async (file, options) => readRaster(file, await readHeader(file), options),
  });
}

async function readRaster(file: string, header: RasterHeader, options: ReadOptions): Promise<Volume> {
  const { size, channels, affine, compressed, nifti } = header;
  const dataFile = header.dataFile === undefined ? file : besideHeader(header.dataFile, file);
  const name = dataFile === file ? file : `${dataFile} (the voxels of ${file})`;
  const stored = await withFile(
    dataFile,
    async (open, fileBytes) => {
      const start = header.atEnd ? Math.max(0, fileBytes - dataBytes(header)) : header.start;
      const most = mostBytes(Math.max(0, fileBytes - start), compressed);
      const taker = new VoxelTaker(name, header, most, options.maxBytes);
      await streamBytes({ open, file: name, start, compressed }, (chunk) => taker.take(chunk));
      return taker.finish();
    },
    name,
  );
  return makeVolume({
    data: finishVoxels(stored, header, name, options),
    size,
    channels,
    affine,
    kind: options.kind,
    origin: { file, ...(nifti && { nifti }) },
  });
}

/** The path of a data file that a header names. A header must not make us read files from elsewhere. */
function besideHeader(dataFile: string, file: string): string {
  if (/^list\b|%/i.test(dataFile)) {
    throw new DataError(
      `${file} spreads its voxels over several files (${show(dataFile)}), but one was expected. Convert it ` +
        `to one file.`,
    );
  }
  const leaves = isAbsolute(dataFile) || win32.isAbsolute(dataFile) || dataFile.split(/[\\/]/).includes('..');
  if (leaves || dataFile === '') {
    throw new DataError(
      `${file} names ${show(dataFile)} as the file of its voxels, but a file in its own folder was ` +
        `expected. ` +
        'Put the two files side by side, and correct the header.',
    );
  }
  return join(dirname(file), dataFile);
}
