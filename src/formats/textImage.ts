import { dirname, isAbsolute, join, win32 } from 'node:path';
import { DataError, show } from '../errors.js';
import { type Affine, makeVolume, type Volume } from '../volume/volume.js';
import { parseMetaImage } from './metaImage.js';
import { parseNrrd } from './nrrd.js';
import {
  dataBytes,
  mostBytes,
  type OpenFile,
  type ReadOptions,
  readStart,
  type StoredLayout,
  streamBytes,
  VoxelTaker,
  withFile,
} from './voxelBytes.js';
import { finishVoxels } from './voxels.js';

/** What the header of an NRRD or MetaImage file says; `offset` counts from `start`, in the inflated data. */
export interface TextHeader extends StoredLayout {
  /** Voxel index to mm, RAS+. */
  readonly affine: Affine;
  /** The file that holds the voxels, as the header names it; undefined when they follow the header. */
  readonly dataFile?: string;
  /** Bytes of the file before the (compressed) data. */
  readonly start: number;
  /** True where the voxels are the last bytes of the file, whatever comes before them. */
  readonly atEnd: boolean;
  /** True for gzip or zlib data. */
  readonly compressed: boolean;
}

/** The most that a header may take. */
const headerLimit = 1 << 20;

/**
 * Reads the header of a `.nrrd`, `.nhdr`, `.mha` or `.mhd` file, told apart by content.
 *
 * @throws DataError when the file cannot be read or its header is not usable.
 */
export async function readTextHeader(file: string): Promise<TextHeader> {
  return withFile(file, async (open, fileBytes) => {
    const bytes = await readStart(open, Math.min(fileBytes, headerLimit));
    if (bytes.length === 0) {
      throw new DataError(`${file} is empty; an image was expected. Copy or download it again.`);
    }
    return bytes.toString('latin1', 0, 4) === 'NRRD' ? parseNrrd(bytes, file) : parseMetaImage(bytes, file);
  });
}

/**
 * Reads a NRRD or MetaImage file. Types, channels, checks and errors are those of `readNifti`; the affine is turned from
 * LPS to RAS+, and elements of several numbers become channels.
 *
 * itk-wasm, which reads these formats too, takes a compressed MetaImage that is cut off or damaged for a sound one, so
 * here the bytes are counted and checked as those of NIfTI files are.
 */
export async function readTextImage(file: string, options: ReadOptions): Promise<Volume> {
  const header = await readTextHeader(file);
  const dataFile = header.dataFile === undefined ? file : besideHeader(header.dataFile, file);
  const name = dataFile === file ? file : `${dataFile} (the voxels of ${file})`;
  const read = async (open: OpenFile, fileBytes: number) => {
    const start = header.atEnd ? Math.max(0, fileBytes - dataBytes(header)) : header.start;
    const most = mostBytes(Math.max(0, fileBytes - start), header.compressed);
    const taker = new VoxelTaker(name, header, most, options.maxBytes);
    const { compressed } = header;
    await streamBytes({ open, file: name, start, compressed }, (chunk) => taker.take(chunk));
    return finishVoxels(taker.finish(), header, name, options);
  };
  return makeVolume({
    data: await withFile(dataFile, read, name),
    size: header.size,
    channels: header.channels,
    affine: header.affine,
    kind: options.kind,
    origin: { file },
  });
}

/** The path of a data file that a header names. A header must not make us read files from elsewhere. */
function besideHeader(dataFile: string, file: string): string {
  if (/^list\b|%/i.test(dataFile)) {
    throw new DataError(
      `${file} spreads its voxels over several files (${show(dataFile)}), but one was expected. Convert it to one file.`,
    );
  }
  const leaves = isAbsolute(dataFile) || win32.isAbsolute(dataFile) || dataFile.split(/[\\/]/).includes('..');
  if (leaves || dataFile === '') {
    throw new DataError(
      `${file} names ${show(dataFile)} as the file of its voxels, but a file in its own folder was expected. ` +
        'Put the two files side by side, and mend the header.',
    );
  }
  return join(dirname(file), dataFile);
}
