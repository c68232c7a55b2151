import { DataError, listNames, show } from '../../errors.js';
import type { Triple } from '../../volume/volume.js';
import { checkSize } from '../checks.js';
import { dataBytes, type StoredType } from '../layout.js';
import { lengthFault, noDirections } from './faults.js';
import type { StoredImage } from './stored.js';

const headerBytes = 1024;

/** Mode 0 is left out: bytes are signed in some files and unsigned in others. */
const types: Readonly<Record<number, StoredType>> = { 1: 'int16', 2: 'float32', 6: 'uint16' };

/** An ångström in mm. */
const angstrom = 1e-7;

/**
 * Checks an MRC file: 1024 bytes of header, an extended header, then the voxels.
 *
 * Source: Cheng et al., MRC2014: Extensions to the MRC format header, J. Struct. Biol. 192 (2015).
 */
export function inspectMrc(bytes: Buffer, file: string): StoredImage {
  if (bytes.length < headerBytes) throw lengthFault(file, bytes.length, headerBytes);
  const little = bytes[212] === 0x44;
  const int = (at: number) => (little ? bytes.readInt32LE(at) : bytes.readInt32BE(at));
  const float = (at: number) => (little ? bytes.readFloatLE(at) : bytes.readFloatBE(at));
  const size = [0, 4, 8].map(int);
  checkSize(size, 1, file);
  const stored = types[int(12)];
  if (!stored) {
    throw new DataError(
      `${file} holds voxels of MRC mode ${int(12)}, but ${listNames(Object.keys(types), 'or')} was expected. ` +
        'Convert it.',
    );
  }
  const axes = [64, 68, 72].map(int);
  if (axes.some((axis, i) => axis !== i + 1)) {
    throw new DataError(
      `${file} stores its axes in the order ${show(axes)}, but [1, 2, 3] was expected. Convert it.`,
    );
  }
  const angles = [52, 56, 60].map(float);
  if (angles.some((angle) => angle !== 90 && angle !== 0)) {
    throw new DataError(
      `${file} has cell angles of ${show(angles)}, but 90 degrees were expected. Convert it.`,
    );
  }
  const expected = headerBytes + int(92) + dataBytes({ size, channels: 1, stored });
  if (bytes.length !== expected) throw lengthFault(file, bytes.length, expected);
  const spacing = [0, 1, 2].map((axis) => (float(40 + 4 * axis) / int(28 + 4 * axis)) * angstrom) as Triple;
  const origin = [0, 1, 2].map((axis) => float(196 + 4 * axis) * angstrom) as Triple;
  const notes = [
    `${file} is in ångström; its voxel size and position were converted to mm.`,
    noDirections(file, 'MRC'),
  ];
  return { size, channels: 1, stored, place: { spacing, origin }, notes };
}
