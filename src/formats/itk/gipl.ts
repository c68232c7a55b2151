import { DataError, show } from '../../errors.js';
import type { Triple } from '../../volume/volume.js';
import { checkSize } from '../checks.js';
import { dataBytes, type StoredType } from '../layout.js';
import { lengthFault, noDirections } from './faults.js';
import type { StoredImage } from './stored.js';

const headerBytes = 256;

const types: Readonly<Record<number, StoredType>> = {
  7: 'int8',
  8: 'uint8',
  15: 'int16',
  16: 'uint16',
  31: 'uint32',
  32: 'int32',
  64: 'float32',
  65: 'float64',
};

/**
 * Checks a GIPL file: 256 bytes of header, big-endian, then the voxels.
 *
 * Source: Guy's Image Processing Lab format, as in ITK's `itkGiplImageIO`.
 */
export function inspectGipl(bytes: Buffer, file: string): StoredImage {
  const [nx, ny, nz, nt] = [0, 2, 4, 6].map((at) => bytes.readUInt16BE(at));
  const size: Triple = [nx, ny, nz];
  if (nt > 1) throw new DataError(`${file} is 4D (${[...size, nt].join(' x ')}). Split it into 3D images.`);
  checkSize(size, 1, file);
  const type = bytes.readUInt16BE(8);
  const stored = types[type];
  if (!stored) {
    throw new DataError(
      `${file} holds voxels of GIPL type ${type}, but whole or real numbers were expected. Convert it.`,
    );
  }
  const orientation = Array.from({ length: 20 }, (_, i) => bytes.readFloatBE(106 + 4 * i));
  if (orientation.some((value) => value !== 0)) {
    throw new DataError(
      `${file} has the orientation matrix ${show(orientation)}, which programs write in different forms. ` +
        'Convert it to NIfTI with the program that wrote it.',
    );
  }
  const expected = headerBytes + dataBytes({ size, channels: 1, stored });
  if (bytes.length !== expected) throw lengthFault(file, bytes.length, expected);
  const spacing = [10, 14, 18].map((at) => bytes.readFloatBE(at)) as Triple;
  const origin = [204, 212, 220].map((at) => bytes.readDoubleBE(at)) as Triple;
  return { size, channels: 1, stored, place: { spacing, origin }, notes: [noDirections(file, 'GIPL')] };
}
