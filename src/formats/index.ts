import { basename } from 'node:path';
import type { Grid, Volume } from '../volume/volume.js';
import { readNifti, readNiftiHeader } from './readNifti.js';
import { readTextHeader, readTextImage } from './textImage.js';
import { bytesPerVoxel, bytesToRead, type ReadOptions } from './voxelBytes.js';

/** The file name extensions of images that can be read, the longest first. */
export const imageExtensions: readonly string[] = ['.nii.gz', '.nii', '.nrrd', '.nhdr', '.mha', '.mhd'];

/** A case's id from a file's name: `imagesTr/spleen_2.nii.gz` gives `spleen_2`. Letter case of extensions is ignored. */
export function stripImageExtension(file: string): string {
  const name = basename(file);
  const extension = extensionOf(name);
  return extension ? name.slice(0, -extension.length) : name;
}

/** True for files that are images by their name; hidden ones, such as AppleDouble's `._*`, are not. */
export function isImageFile(file: string): boolean {
  return !basename(file).startsWith('.') && extensionOf(file) !== undefined;
}

function extensionOf(file: string): string | undefined {
  return imageExtensions.find((extension) => file.toLowerCase().endsWith(extension));
}

/** What a file's header says of its volume, for an estimate of memory. */
export interface FileGrid extends Grid {
  readonly channels: number;
  /** Bytes of one voxel of one channel once it is read. */
  readonly bytesPerVoxel: number;
  /** Bytes that reading it takes at most: the voxels as they are stored, and as they are made from that. */
  readonly bytesToRead: number;
}

/** Reads what a file's header says, and no voxels. Throws DataError when it cannot be read or is not usable. */
export async function readGrid(file: string): Promise<FileGrid> {
  const header = await (isTextImage(file) ? readTextHeader(file) : readNiftiHeader(file));
  const { size, affine, channels } = header;
  return { size, affine, channels, bytesPerVoxel: bytesPerVoxel(header), bytesToRead: bytesToRead(header) };
}

/**
 * Reads an image file: NRRD (`.nrrd`, `.nhdr`), MetaImage (`.mha`, `.mhd`), or, whatever its name, NIfTI. See `readNifti`
 * for types, checks and errors.
 */
export async function readVolume(file: string, options: ReadOptions): Promise<Volume> {
  return isTextImage(file) ? readTextImage(file, options) : readNifti(file, options);
}

function isTextImage(file: string): boolean {
  return /\.(nrrd|nhdr|mha|mhd)$/i.test(file);
}
