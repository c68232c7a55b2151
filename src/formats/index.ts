import { basename } from 'node:path';
import type { CaseFile } from '../case.js';
import { toRas } from '../volume/affine.js';
import type { Vec3, Volume } from '../volume/volume.js';
import type { FileGrid, ImageFormat, ReadOptions } from './define.js';
import { dicomFile } from './dicom/format.js';
import { foreignFormats, loadForeignFormats } from './foreign.js';
import { itk } from './itk/format.js';
import { metaImage } from './metaImage.js';
import { mgh } from './mgh.js';
import { nifti } from './nifti.js';
import { nrrd } from './nrrd.js';
import { readStart, withFile } from './openFile.js';
import { stackChannels, stackedGrid } from './stackChannels.js';

export { type FileGrid, type ImageFormat, imageFormat, type ReadOptions } from './define.js';
export { registerFormat } from './foreign.js';

/** The formats that come with the package. NIfTI precedes others that recognize gzip data. */
const ownFormats: readonly ImageFormat[] = [dicomFile, nrrd, metaImage, nifti, mgh, itk];

/** All formats; those of other packages come first. */
function formats(): readonly ImageFormat[] {
  const foreign = foreignFormats();
  return [...foreign, ...ownFormats.filter(({ name }) => !foreign.some((one) => one.name === name))];
}

/** The extensions of the image files that can be read, the longest first. */
export function imageExtensions(): readonly string[] {
  const all = formats().flatMap(({ extensions }) => extensions);
  return all.sort((a, b) => b.length - a.length);
}

/**
 * A case's id from a file's name: `imagesTr/spleen_2.nii.gz` gives `spleen_2`. Upper and lower case are the
 * same.
 */
export function stripImageExtension(file: string): string {
  const name = basename(file);
  const extension = extensionOf(name);
  return extension ? name.slice(0, -extension.length) : name;
}

/** True for files that are images by their name. Hidden files are not, e.g. macOS `._*` files. */
export function isImageFile(file: string): boolean {
  return !basename(file).startsWith('.') && extensionOf(file) !== undefined;
}

function extensionOf(file: string): string | undefined {
  const name = file.toLowerCase();
  let longest = '';
  // Not sorted first, because lists may have millions of files.
  for (const { extensions } of formats()) {
    for (const extension of extensions)
      if (extension.length > longest.length && name.endsWith(extension)) longest = extension;
  }
  return longest || undefined;
}

/**
 * The format of a file: by its extension, or by its first bytes if the extension is unknown or does not fit
 * them. NIfTI if neither decides, so that its reader says what is wrong with the file.
 */
async function formatOf(file: string): Promise<ImageFormat> {
  await loadForeignFormats();
  const all = formats();
  const extension = extensionOf(file);
  const named = extension && all.find(({ extensions }) => extensions.includes(extension));
  const start = await withFile(file, (open) => readStart(open, 512));
  if (named && named.matches?.(start) !== false) return named;
  return all.find(({ matches }) => matches?.(start)) ?? (named || nifti);
}

/** The grid of a file whose format states no voxel size, with the size that a user gave. */
export function withSpacing({ unspaced, ...grid }: FileGrid, [x, y, z]: Vec3): FileGrid {
  return { ...grid, affine: toRas([x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0, 0, 0, 0, 1], 'LPS') };
}

/** Reads a file's header, and no voxels. Throws DataError if it cannot be read or is not usable. */
export async function readGrid(file: CaseFile): Promise<FileGrid> {
  if (typeof file !== 'string' && 'channels' in file) {
    return stackedGrid(await Promise.all(file.channels.map(readGrid)));
  }
  if (typeof file !== 'string' && 'spacing' in file) {
    const grid = await readGrid(file.file);
    return grid.unspaced ? withSpacing(grid, file.spacing) : grid;
  }
  if (typeof file !== 'string') return (await import('./dicom/readSeries.js')).readSeriesGrid(file);
  return (await formatOf(file)).readGrid(file);
}

/**
 * Reads an image file, several of them as channels (see `stackChannels`), or a DICOM series (see
 * `readSeries`).
 *
 * Size [nx, ny, nz], x fastest; a fourth axis becomes channels. The affine is voxel index to mm, RAS+. Voxels
 * keep the stored type; with a slope or intercept they are computed in double precision and become float32
 * (float64 if they are stored as float64). 64-bit integers become int32 if they fit, else float64. Labels
 * that are stored as real numbers, with a slope, or in 64 bits become the smallest integer type that holds
 * them. The voxels lie on a SharedArrayBuffer.
 *
 * Every byte is accounted for: a file that is cut off, has a wrong checksum, or holds more or less than its
 * header says is refused. Zero bytes at the end pass as padding if they are fewer than the smallest face of
 * the volume takes, since more could hide a wrong dimension. Memory is only allocated once the header was
 * checked against `maxBytes` and against what a file of that length can hold.
 *
 * @throws DataError if the file cannot be read, is damaged, is not a 3D image, needs more than `maxBytes`,
 * holds NaN or infinite voxels (unless `nonFinite`), or labels that are not whole numbers.
 */
export async function readVolume(file: CaseFile, options: ReadOptions): Promise<Volume> {
  if (typeof file !== 'string' && 'channels' in file) {
    const volumes: Volume[] = [];
    for (const path of file.channels) volumes.push(await readVolume(path, options));
    return stackChannels(volumes, file.channels);
  }
  if (typeof file !== 'string' && 'spacing' in file) {
    return readVolume(file.file, { ...options, spacing: file.spacing });
  }
  // Imported here: each worker thread loads this module, and few read DICOM.
  if (typeof file !== 'string') return (await import('./dicom/readSeries.js')).readSeries(file, options);
  return (await formatOf(file)).read(file, options);
}
