import { DataError, show } from '../errors.js';
import type { Affine, NiftiFields, Triple, Vec3 } from '../volume/volume.js';
import { checkAffine, checkSize } from './checks.js';
import type { StoredLayout, StoredType } from './layout.js';
import { baseAffine, qformAffine } from './niftiForms.js';
import {
  datatypes,
  type Field,
  getField,
  getText,
  getTexts,
  getUnits,
  type Layout,
  layout1,
  layout2,
} from './niftiLayout.js';

/** The most bytes that a header can take. */
export const niftiHeaderBytes = layout2.bytes;

const refusedDatatypes: Readonly<Record<number, string>> = {
  0: 'unknown',
  1: 'bits',
  32: 'complex64',
  128: 'RGB24',
  1536: 'float128',
  1792: 'complex128',
  2048: 'complex256',
  2304: 'RGBA32',
};

/** What a NIfTI header says; the fourth dimension is channels, and `offset` counts in the inflated file. */
export interface NiftiHeader extends StoredLayout {
  readonly version: 1 | 2;
  /** Voxel index to mm, RAS+, by nibabel's rules. */
  readonly affine: Affine;
  readonly fields: NiftiFields;
}

/** True if bytes begin as an uncompressed NIfTI file does: with the size of its header. */
export function isNiftiHeader(bytes: Uint8Array): boolean {
  return findLayout(bytes) !== undefined;
}

/**
 * Reads the header of a NIfTI-1 or NIfTI-2 file (`.nii`), in either byte order, and checks it: sizes, voxel
 * type, scaling, offset, affine. `bytes` must hold at least its first 540 bytes, or the whole file if that is
 * shorter.
 *
 * The rules are those of nibabel 5: the sform counts if its code is set (1 to 5), else the qform, else the
 * voxel size with x to the left and the origin in the middle; a slope that is 0 or not finite means no
 * scaling. Unlike in nibabel, an affine without an inverse is refused.
 *
 * @throws DataError if it is not such a header, or does not describe a 3D volume (or 4D, with channels last).
 */
export function parseNiftiHeader(bytes: Uint8Array, file: string): NiftiHeader {
  if (bytes.length === 0) {
    throw new DataError(`${file} is empty; a NIfTI file was expected. Copy or download it again.`);
  }
  const { layout, littleEndian } = checkLayout(bytes, file);
  const view = viewOf(bytes);
  const get = (field: Field, index = 0) => getField(view, field, index, littleEndian);
  const { size, channels } = readSize(layout, get, file);
  const fields = readFields(layout, view, bytes, get, littleEndian);
  const scaling = readScaling(layout, get, file);
  return {
    version: layout.version,
    littleEndian,
    size,
    channels,
    stored: readType(layout, get, file),
    offset: readOffset(layout, get, file),
    ...(scaling && { scaling }),
    affine: readAffine(layout, get, fields, size, file),
    fields,
  };
}

type Get = (field: Field, index?: number) => number;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function findLayout(bytes: Uint8Array): { layout: Layout; littleEndian: boolean } | undefined {
  if (bytes.length < 4) return undefined;
  const view = viewOf(bytes);
  return [layout1, layout2]
    .flatMap((layout) => [true, false].map((littleEndian) => ({ layout, littleEndian })))
    .find(({ layout, littleEndian }) => view.getInt32(0, littleEndian) === layout.bytes);
}

function checkLayout(bytes: Uint8Array, file: string): { layout: Layout; littleEndian: boolean } {
  const found = findLayout(bytes);
  if (!found) {
    throw new DataError(
      `${file} is not a NIfTI file: it begins with ${beginning(bytes)}, but the header size 348 (NIfTI-1) ` +
        `or 540 ` +
        '(NIfTI-2) was expected. Check that it is the right file.',
    );
  }
  const { layout } = found;
  if (bytes.length < layout.firstVoxel) {
    throw new DataError(
      `${file} is cut off: it holds ${bytes.length} bytes, but its NIfTI-${layout.version} header alone ` +
        `takes ` +
        `${layout.firstVoxel}. Copy or download it again.`,
    );
  }
  const magic = getText(bytes, layout.magic, 4);
  if (magic === `ni${layout.version}`) {
    throw new DataError(
      `${file} is the header of a pair of files (.hdr and .img), but one file was expected. Convert it to ` +
        `.nii.gz.`,
    );
  }
  if (magic !== `n+${layout.version}`) {
    throw new DataError(
      `${file} is not a NIfTI file: its magic is ${JSON.stringify(magic)}, but "n+${layout.version}" was ` +
        `expected. ` +
        'If it is an Analyze 7.5 file, convert it to .nii.gz; else copy or download it again.',
    );
  }
  // NIfTI-2 holds line ends, like PNG, so that a transfer in text mode shows.
  const lineEnds = layout.version === 2 ? [...bytes.subarray(8, 12)] : [];
  if (lineEnds.some((byte) => byte !== 0) && lineEnds.join() !== '13,10,26,10') {
    throw new DataError(
      `${file} has a damaged header: its line-end check is ${show(lineEnds)}, but [13, 10, 26, 10] was ` +
        `expected. ` +
        'It was probably transferred as text; copy or download it again.',
    );
  }
  return found;
}

/** The first bytes of a file, as text if they are text. */
function beginning(bytes: Uint8Array): string {
  const first = [...bytes.subarray(0, 12)];
  return first.every((byte) => (byte >= 32 && byte < 127) || byte === 10 || byte === 13 || byte === 9)
    ? JSON.stringify(String.fromCharCode(...first))
    : `the bytes ${first
        .slice(0, 4)
        .map((byte) => byte.toString(16).padStart(2, '0'))
        .join(' ')}`;
}

function readSize(layout: Layout, get: Get, file: string): { size: Vec3; channels: number } {
  const rank = get(layout.dim);
  if (!(rank >= 1 && rank <= 7)) {
    throw new DataError(
      `${file} has a damaged header: it says ${rank} dimensions (dim[0]), but 3 or 4 were expected. ` +
        'Copy or download it again.',
    );
  }
  const dims = Array.from({ length: rank }, (_, i) => get(layout.dim, i + 1));
  const size = dims.slice(0, 3);
  const channels = dims[3] ?? 1;
  checkSize(size, channels, file);
  if (dims.slice(4).some((n) => n !== 1)) {
    throw new DataError(
      `${file} is ${rank}D (${dims.join(' x ')}), but a 3D image, or a 4D one with channels last, was ` +
        `expected. ` +
        'Split it into 3D images.',
    );
  }
  return { size, channels };
}

function readType(layout: Layout, get: Get, file: string): StoredType {
  const datatype = get(layout.datatype);
  const found = (Object.keys(datatypes) as StoredType[]).find((type) => datatypes[type] === datatype);
  if (found) return found;
  const name = refusedDatatypes[datatype];
  throw new DataError(
    `${file} holds voxels of datatype ${datatype}${name ? ` (${name})` : ''}, but whole or real numbers ` +
      `were ` +
      'expected: int8 to int64, uint8 to uint64, float32 or float64. Convert it to one of these.',
  );
}

function readOffset(layout: Layout, get: Get, file: string): number {
  const offset = get(layout.voxOffset);
  if (Number.isSafeInteger(offset) && offset >= layout.firstVoxel) return offset;
  throw new DataError(
    `${file} has a damaged header: its voxels begin at byte ${offset} (vox_offset), but ` +
      `${layout.firstVoxel} or more ` +
      'was expected. Copy or download it again.',
  );
}

function readScaling(layout: Layout, get: Get, file: string): StoredLayout['scaling'] {
  const slope = get(layout.slope);
  const inter = get(layout.inter);
  if (!Number.isFinite(slope) || slope === 0 || (slope === 1 && inter === 0)) return undefined;
  if (Number.isFinite(inter)) return { slope, inter };
  throw new DataError(
    `${file} has scl_slope ${slope} but scl_inter ${inter}; a finite number was expected. Correct its ` +
      `header.`,
  );
}

function readFields(
  layout: Layout,
  view: DataView,
  bytes: Uint8Array,
  get: Get,
  littleEndian: boolean,
): NiftiFields {
  // Like nibabel, take codes that the standard does not define as 0.
  const known = (code: number) => (code >= 0 && code <= 5 ? code : 0);
  return {
    qformCode: known(get(layout.qformCode)),
    sformCode: known(get(layout.sformCode)),
    xyztUnits: getUnits(view, layout, littleEndian),
    ...getTexts(bytes, layout),
    toffset: get(layout.toffset),
  };
}

function readAffine(
  layout: Layout,
  get: Get,
  fields: NiftiFields,
  size: Vec3,
  file: string,
): readonly number[] {
  // As in nibabel, 0 counts as 1 mm, and the sign does not count.
  const pixdim = [1, 2, 3]
    .map((i) => Math.abs(get(layout.pixdim, i)))
    .map((mm) => (mm === 0 ? 1 : mm)) as Triple;
  let affine: number[];
  let source: string;
  if (fields.sformCode > 0) {
    source = 'sform';
    affine = [...Array.from({ length: 12 }, (_, i) => get(layout.srow, i)), 0, 0, 0, 1];
  } else if (fields.qformCode > 0) {
    source = 'qform';
    const quatern = [0, 1, 2].map((i) => get(layout.quatern, i)) as Triple;
    const qoffset = [0, 1, 2].map((i) => get(layout.qoffset, i)) as Triple;
    // Slack for rounding: three times the precision of the stored numbers.
    const slack = 3 * (layout.version === 1 ? 2 ** -23 : 2 ** -52);
    const squares = quatern.reduce((sum, value) => sum + value * value, 0);
    if (!(1 - squares >= -slack)) {
      throw new DataError(
        `${file} has a qform that is not a rotation: the squares of quatern_b, c and d ` +
          `(${quatern.join(', ')}) sum to ` +
          `${squares}, but at most 1 was expected. Correct its header.`,
      );
    }
    affine = qformAffine(quatern, pixdim, get(layout.pixdim) === -1 ? -1 : 1, qoffset);
  } else {
    source = 'voxel size (pixdim)';
    affine = baseAffine(size, pixdim);
  }
  checkAffine(affine, source, file);
  return affine;
}
