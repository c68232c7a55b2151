import { DataError } from '../errors.js';
import { type Affine, makeVolume, type NiftiFields, type Volume, type VoxelArray } from '../volume/volume.js';
import { type ImageFormat, imageFormat, type ReadOptions } from './define.js';
import { mostBytes, streamBytes } from './inflate.js';
import { dataBytes, gridOf, type StoredLayout } from './layout.js';
import { type OpenFile, withFile } from './openFile.js';
import { labelsOfSegments, type Segment } from './segments.js';
import { finishVoxels } from './voxels.js';
import { checkLength, VoxelTaker } from './voxelTaker.js';

/** What the header of a file says; `offset` counts from `start`, in the inflated data. */
export interface RasterHeader extends StoredLayout {
  /** Voxel index to mm, RAS+. */
  readonly affine: Affine;
  /** The file that holds the voxels; undefined if they follow the header. */
  readonly dataFile?: string;
  /** Bytes of the file before the (compressed) data. */
  readonly start: number;
  /** Lines before the (compressed) data, after `start`. */
  readonly skipLines?: number;
  /** True if the voxels are the last bytes of the (inflated) data, whatever comes before them. */
  readonly atEnd?: boolean;
  /** True for gzip or zlib data. */
  readonly compressed: boolean;
  /** NIfTI header fields for files that derive from this one. */
  readonly nifti?: NiftiFields;
  /** The segments of a segmentation, if the header names them. */
  readonly segments?: readonly Segment[];
  /** What was assumed, as full sentences. */
  readonly notes?: readonly string[];
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
  const { size, channels, affine, nifti, dataFile = file } = header;
  const name = dataFile === file ? file : `${dataFile} (the voxels of ${file})`;
  const stream = <T>(work: (bytes: ByteStream) => Promise<T>) =>
    withFile(
      dataFile,
      async (open) => {
        const start = await startOf(open, name, header);
        return work({ open, file: name, start, compressed: header.compressed });
      },
      name,
    );
  const layout = header.atEnd ? await stream((bytes) => layoutFromEnd(bytes, header)) : header;
  const stored = await stream((bytes) => takeVoxels(bytes, layout, options));
  const { voxels, notes } = finishVoxels(stored, header, name, options);
  const { segments = [] } = header;
  const labels =
    options.kind === 'label' && segments.length > 0
      ? labelsOfSegments(voxels, header, segments, file)
      : { data: voxels, channels, notes: [] };
  return makeVolume({
    size,
    affine,
    kind: options.kind,
    origin: { file, ...(nifti && { nifti }) },
    ...labels,
    notes: [...(header.notes ?? []), ...notes, ...labels.notes],
  });
}

type ByteStream = Parameters<typeof streamBytes>[0];

function mostOf({ open, start, compressed }: ByteStream): number {
  return mostBytes(Math.max(0, open.size - start), compressed);
}

/** The layout of voxels that are the last bytes of the data. */
async function layoutFromEnd(bytes: ByteStream, layout: StoredLayout): Promise<StoredLayout> {
  checkLength(bytes.file, layout, mostOf(bytes));
  const length = bytes.compressed ? await countBytes(bytes) : bytes.open.size - bytes.start;
  return { ...layout, offset: Math.max(0, length - dataBytes(layout)) };
}

async function takeVoxels(
  bytes: ByteStream,
  layout: StoredLayout,
  { maxBytes }: ReadOptions,
): Promise<VoxelArray> {
  const taker = new VoxelTaker(bytes.file, layout, mostOf(bytes), maxBytes);
  await streamBytes(bytes, (chunk) => taker.take(chunk));
  return taker.finish();
}

async function countBytes(bytes: ByteStream): Promise<number> {
  let count = 0;
  await streamBytes(bytes, (chunk) => {
    count += chunk.length;
  });
  return count;
}

/** The position of the data after the lines that a header says to skip. */
async function startOf(
  open: OpenFile,
  file: string,
  { start, skipLines = 0 }: RasterHeader,
): Promise<number> {
  const piece = Buffer.alloc(1 << 16);
  let left = skipLines;
  for (let at = start; left > 0; ) {
    const bytesRead = await open.read(piece, at);
    if (bytesRead <= 0) {
      throw new DataError(
        `${file} has ${skipLines - left} lines, but its header says that ${skipLines} come before the ` +
          'voxels ("line skip"). Correct its header.',
      );
    }
    for (let i = 0; i < bytesRead; i++) {
      if (piece[i] === 10 && --left === 0) return at + i + 1;
    }
    at += bytesRead;
  }
  return start;
}
