import { DataError } from '../errors.js';
import type { Affine, Vec3 } from '../volume/volume.js';
import { checkAffine, checkSize } from './checks.js';
import { isGzip, mostBytes, readInflatedStart } from './inflate.js';
import type { StoredType } from './layout.js';
import { isMghFooter } from './mghFooter.js';
import { readStart, withFile } from './openFile.js';
import { type RasterHeader, rasterFormat } from './raster.js';
import { checkLength } from './voxelTaker.js';

/** FreeSurfer's MGH, and MGZ: the same compressed with gzip. */
export const mgh = rasterFormat({
  name: 'MGH',
  extensions: ['.mgz', '.mgh', '.mgh.gz'],
  matches: (start) => isGzip(start) || isMgh(Buffer.from(start)),
  readHeader: (file) =>
    withFile(file, async (open, fileBytes) => {
      const compressed = isGzip(await readStart(open, 2));
      const header = parseMgh(await readInflatedStart(open, headerBytes, file), compressed, file);
      checkLength(file, header, mostBytes(fileBytes, compressed));
      return header;
    }),
});

/** The voxels begin here. The header's fields end earlier; the rest is unused. */
const headerBytes = 284;

const types: Readonly<Record<number, StoredType>> = {
  0: 'uint8',
  1: 'int32',
  3: 'float32',
  4: 'int16',
  10: 'uint16',
};

function isMgh(bytes: Buffer): boolean {
  return bytes.length >= headerBytes && bytes.readInt32BE(0) === 1 && bytes.readInt32BE(20) in types;
}

/**
 * Coronal slices (LIA) with voxels of 1 mm around the origin: FreeSurfer's default for files without
 * positions. nibabel 5.0 transposes it.
 */
const defaultGeometry = { spacing: [1, 1, 1], directions: [-1, 0, 0, 0, 0, -1, 0, 1, 0], centre: [0, 0, 0] };

/**
 * Reads an MGH header, big-endian: the size and the number of frames (channels), the type, and the spacing,
 * the direction of each axis and the centre of the volume, in RAS.
 *
 * Source: the header of FreeSurfer's volumes as nibabel 5 reads it (`nibabel.freesurfer.mghformat`).
 *
 * @throws DataError if the header is damaged, or describes voxels that cannot be read.
 */
function parseMgh(bytes: Buffer, compressed: boolean, file: string): RasterHeader {
  if (bytes.length < headerBytes) {
    throw new DataError(
      `${file} is cut off: it holds ${bytes.length} bytes, but the header of an MGH file has ${headerBytes}. ` +
        'Copy or download it again.',
    );
  }
  const version = bytes.readInt32BE(0);
  if (version !== 1) {
    throw new DataError(
      `${file} is not an MGH file of version 1: it begins with the number ${version}. Check that it is the ` +
        'right file. Warps are not images.',
    );
  }
  const [nx, ny, nz, channels, type] = [4, 8, 12, 16, 20].map((at) => bytes.readInt32BE(at));
  const size: Vec3 = [nx, ny, nz];
  checkSize(size, channels, file);
  const stored = types[type];
  if (!stored) {
    throw new DataError(
      `${file} holds voxels of MGH type ${type}, but 0 (uint8), 1 (int32), 3 (float32), 4 (int16) or 10 ` +
        '(uint16) was expected. Convert it, e.g. with mri_convert.',
    );
  }
  const floats = (at: number, count: number) =>
    Array.from({ length: count }, (_, i) => bytes.readFloatBE(at + 4 * i));
  const placed = bytes.readInt16BE(28) > 0;
  const { spacing, directions, centre } = placed
    ? { spacing: floats(30, 3), directions: floats(42, 9), centre: floats(78, 3) }
    : defaultGeometry;
  const affine = affineOf(size, spacing, directions, centre);
  checkAffine(affine, 'spacing, directions and centre', file);
  return {
    size,
    channels,
    stored,
    littleEndian: false,
    offset: headerBytes,
    isFooter: isMghFooter,
    affine,
    start: 0,
    compressed,
    notes: placed
      ? []
      : [`${file} states no positions; coronal slices with voxels of 1 mm were assumed, as FreeSurfer does.`],
  };
}

/** `directions` lists the unit vector of one axis after the other; the centre is that of voxel `size / 2`. */
function affineOf(
  size: Vec3,
  spacing: readonly number[],
  directions: readonly number[],
  centre: readonly number[],
): Affine {
  const rows = [0, 1, 2].flatMap((row) => {
    const steps = [0, 1, 2].map((axis) => directions[3 * axis + row] * spacing[axis]);
    const toCentre = steps.reduce((sum, step, axis) => sum + (step * size[axis]) / 2, 0);
    return [...steps, centre[row] - toCentre];
  });
  return [...rows, 0, 0, 0, 1];
}
