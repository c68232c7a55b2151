import { DataError, show } from '../../errors.js';
import type { Triple } from '../../volume/volume.js';
import { checkSize } from '../checks.js';
import { dataBytes, type StoredType } from '../layout.js';
import { lengthFault, noDirections } from './faults.js';
import type { StoredImage } from './stored.js';

/** VTK's names of types. `long` is left out: its size depends on the machine that wrote the file. */
const types: Readonly<Record<string, StoredType>> = {
  char: 'int8',
  signed_char: 'int8',
  unsigned_char: 'uint8',
  short: 'int16',
  unsigned_short: 'uint16',
  int: 'int32',
  unsigned_int: 'uint32',
  float: 'float32',
  double: 'float64',
};

/** The most bytes that the header takes. */
const headerLimit = 4096;

/**
 * Checks a legacy VTK file: structured points with scalars, as text or in binary form (big-endian).
 *
 * Source: "File Formats for VTK Version 4.2", simple legacy formats.
 */
export function inspectVtk(bytes: Buffer, file: string): StoredImage {
  const text = bytes.toString('latin1', 0, headerLimit);
  const header = /^# vtk DataFile[^\n]*\n[^\n]*\n([\s\S]*?\nSCALARS[^\n]*\n(?:LOOKUP_TABLE[^\n]*\n)?)/i.exec(
    text,
  );
  if (!header) {
    throw new DataError(
      `${file} is a VTK file, but not an image with scalars (STRUCTURED_POINTS with SCALARS was expected). ` +
        'Convert it.',
    );
  }
  const words = (name: string) =>
    new RegExp(`^${name}[ \\t]+(.*)$`, 'im').exec(header[1])?.[1].trim().split(/\s+/) ?? [];
  const numbers = (...names: string[]) =>
    (names.map(words).find((found) => found.length > 0) ?? []).map(Number);
  if (words('DATASET')[0]?.toUpperCase() !== 'STRUCTURED_POINTS') {
    throw new DataError(
      `${file} is a VTK file with the dataset ${show(words('DATASET')[0])}, but STRUCTURED_POINTS was expected. ` +
        'Convert it to an image.',
    );
  }
  const [type = '', components = '1'] = words('SCALARS').slice(1);
  const stored = types[type.toLowerCase()];
  if (!stored) {
    throw new DataError(
      `${file} holds voxels of VTK type ${show(type)}, but a type of a fixed size was expected, e.g. short or ` +
        'float. Convert it.',
    );
  }
  const size = numbers('DIMENSIONS');
  const channels = Number(components);
  checkSize(size, channels, file);
  const count = dataBytes({ size, channels, stored });
  if (/^\s*BINARY\s*$/im.test(header[1])) {
    const start = header[0].length;
    const rest = bytes.subarray(start + count).toString('latin1');
    if (bytes.length < start + count || !/^\s*(METADATA[\s\S]*)?$/.test(rest)) {
      throw lengthFault(file, bytes.length, start + count);
    }
  } else {
    checkText(bytes, header[0].length, size[0] * size[1] * size[2] * channels, file);
  }
  const spacing = numbers('SPACING', 'ASPECT_RATIO');
  const origin = numbers('ORIGIN');
  return {
    size,
    channels,
    stored,
    place: {
      spacing: (spacing.length === 3 ? spacing : [1, 1, 1]) as Triple,
      origin: (origin.length === 3 ? origin : [0, 0, 0]) as Triple,
    },
    notes: [noDirections(file, 'VTK')],
  };
}

/** Counts the numbers of voxels that are stored as text. */
function checkText(bytes: Buffer, start: number, expected: number, file: string): void {
  let count = 0;
  let inside = false;
  for (let i = start; i < bytes.length; i++) {
    const digit = bytes[i] > 32;
    if (digit && !inside) count++;
    inside = digit;
  }
  if (count === expected) return;
  throw new DataError(
    `${file} holds ${count} numbers, but its header says ${expected}. It is cut off or damaged; copy or download ` +
      'it again.',
  );
}
