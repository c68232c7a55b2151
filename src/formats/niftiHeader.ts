import { DataError, show } from '../errors.js';
import { spacingOf } from '../volume/affine.js';
import type { Affine, NiftiFields, Vec3, VoxelType } from '../volume/volume.js';
import { checkAffine, checkSize } from './checks.js';
import { hostLittleEndian, type StoredLayout, type StoredType, storedBytes } from './voxelBytes.js';

type FieldType = 'Int16' | 'Int32' | 'BigInt64' | 'Float32' | 'Float64';
type Field = readonly [FieldType, number];

const fieldBytes = { Int16: 2, Int32: 4, BigInt64: 8, Float32: 4, Float64: 8 } as const;

/** Where the fields of a NIfTI-1 header are. Source: nifti1.h. */
const layout1 = {
  version: 1,
  bytes: 348,
  firstVoxel: 352,
  dim: ['Int16', 40],
  datatype: ['Int16', 70],
  bitpix: ['Int16', 72],
  pixdim: ['Float32', 76],
  voxOffset: ['Float32', 108],
  slope: ['Float32', 112],
  inter: ['Float32', 116],
  toffset: ['Float32', 136],
  descrip: 148,
  auxFile: 228,
  qformCode: ['Int16', 252],
  sformCode: ['Int16', 254],
  quatern: ['Float32', 256],
  qoffset: ['Float32', 268],
  srow: ['Float32', 280],
  magic: 344,
} as const;

/** Where the fields of a NIfTI-2 header are. Source: nifti2.h. */
const layout2 = {
  version: 2,
  bytes: 540,
  firstVoxel: 544,
  dim: ['BigInt64', 16],
  datatype: ['Int16', 12],
  bitpix: ['Int16', 14],
  pixdim: ['Float64', 104],
  voxOffset: ['BigInt64', 168],
  slope: ['Float64', 176],
  inter: ['Float64', 184],
  toffset: ['Float64', 216],
  descrip: 240,
  auxFile: 320,
  qformCode: ['Int32', 344],
  sformCode: ['Int32', 348],
  quatern: ['Float64', 352],
  qoffset: ['Float64', 376],
  srow: ['Float64', 400],
  magic: 4,
} as const;

/** Where xyzt_units is: one byte in NIfTI-1, an int32 in NIfTI-2. */
const unitsAt = { 1: 123, 2: 500 } as const;

const descripLength = 80;
const auxFileLength = 24;

/** The most bytes that a header can take. */
export const niftiHeaderBytes = layout2.bytes;

/** NIfTI's numbers for the types that are read. */
const datatypes: Readonly<Record<StoredType, number>> = {
  uint8: 2,
  int16: 4,
  int32: 8,
  float32: 16,
  float64: 64,
  int8: 256,
  uint16: 512,
  uint32: 768,
  int64: 1024,
  uint64: 1280,
};

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

/** What a NIfTI header says of its file; the fourth dimension is channels, `offset` counts in the inflated file. */
export interface NiftiHeader extends StoredLayout {
  readonly version: 1 | 2;
  /** Voxel index to mm, RAS+, by nibabel's rules. */
  readonly affine: Affine;
  readonly fields: NiftiFields;
}

/**
 * Reads the header of a NIfTI-1 or NIfTI-2 file (`.nii`), in either byte order, and checks it: sizes, voxel type,
 * scaling, offset, affine. `bytes` must hold at least its first 540 bytes, or the whole file where that is shorter.
 *
 * The rules are those of nibabel 5: the sform counts if its code is set (1 to 5), else the qform, else the voxel size
 * with x to the left and the origin in the middle; a slope of 0 or one that is not finite means no scaling. Other than
 * nibabel, an affine without an inverse is refused.
 *
 * @throws DataError when it is not such a header, or describes no 3D volume (or 4D, with channels last).
 */
export function parseNiftiHeader(bytes: Uint8Array, file: string): NiftiHeader {
  const refuse = (sentence: string) => new DataError(`${file} ${sentence}`);
  if (bytes.length === 0) throw refuse('is empty; a NIfTI file was expected. Copy or download it again.');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { layout, littleEndian } = findLayout(bytes, view, refuse);
  const get = (field: Field, index = 0) => getField(view, field, index, littleEndian);

  const { size, channels } = readSize(layout, get, file);
  const datatype = get(layout.datatype);
  const stored = Object.entries(datatypes).find(([, code]) => code === datatype)?.[0] as
    | StoredType
    | undefined;
  if (!stored) {
    const name = refusedDatatypes[datatype];
    throw refuse(
      `holds voxels of datatype ${datatype}${name ? ` (${name})` : ''}, but whole or real numbers were expected: ` +
        'int8 to int64, uint8 to uint64, float32 or float64. Convert it to one of these.',
    );
  }

  const offset = get(layout.voxOffset);
  if (!Number.isSafeInteger(offset) || offset < layout.firstVoxel) {
    throw refuse(
      `has a damaged header: its voxels begin at byte ${offset} (vox_offset), but ${layout.firstVoxel} or more ` +
        'was expected. Copy or download it again.',
    );
  }

  const slope = get(layout.slope);
  const inter = get(layout.inter);
  const scaled = Number.isFinite(slope) && slope !== 0 && !(slope === 1 && inter === 0);
  if (scaled && !Number.isFinite(inter)) {
    throw refuse(
      `has scl_slope ${slope} but scl_inter ${inter}; a finite number was expected. Mend its header.`,
    );
  }

  const fields = readFields(layout, view, bytes, get, littleEndian);
  const affine = readAffine(layout, get, fields, size, file);
  return {
    version: layout.version,
    littleEndian,
    size,
    channels,
    stored,
    offset,
    ...(scaled ? { scaling: { slope, inter } } : {}),
    affine,
    fields,
  };
}

type Layout = typeof layout1 | typeof layout2;
type Get = (field: Field, index?: number) => number;
type Refuse = (sentence: string) => DataError;

function getField(view: DataView, [type, offset]: Field, index: number, littleEndian: boolean): number {
  return Number(view[`get${type}`](offset + index * fieldBytes[type], littleEndian));
}

function findLayout(
  bytes: Uint8Array,
  view: DataView,
  refuse: Refuse,
): { layout: Layout; littleEndian: boolean } {
  const found = [layout1, layout2]
    .flatMap((layout) => [true, false].map((littleEndian) => ({ layout, littleEndian })))
    .find(({ layout, littleEndian }) => bytes.length >= 4 && view.getInt32(0, littleEndian) === layout.bytes);
  if (!found) {
    throw refuse(
      `is not a NIfTI file: it begins with ${beginning(bytes)}, but the header size 348 (NIfTI-1) or 540 (NIfTI-2) ` +
        'was expected. Check that it is the right file.',
    );
  }
  const { layout } = found;
  if (bytes.length < layout.firstVoxel) {
    throw refuse(
      `is cut off: it holds ${bytes.length} bytes, but its NIfTI-${layout.version} header alone takes ` +
        `${layout.firstVoxel}. Copy or download it again.`,
    );
  }
  const magic = readText(bytes, layout.magic, 4);
  if (magic === `ni${layout.version}`) {
    throw refuse(
      'is the header of a pair of files (.hdr and .img), but one file was expected. Convert it to .nii.gz.',
    );
  }
  if (magic !== `n+${layout.version}`) {
    throw refuse(
      `is not a NIfTI file: its magic is ${JSON.stringify(magic)}, but "n+${layout.version}" was expected. ` +
        'Convert it (from Analyze 7.5, perhaps) to .nii.gz, or copy or download it again.',
    );
  }
  // NIfTI-2 carries line ends, as PNG does, so that a transfer in text mode shows.
  const lineEnds = layout.version === 2 ? [...bytes.subarray(8, 12)] : [];
  if (lineEnds.some((byte) => byte !== 0) && lineEnds.join() !== '13,10,26,10') {
    throw refuse(
      `has a damaged header: its line-end check is ${show(lineEnds)}, but [13, 10, 26, 10] was expected. ` +
        'It was probably transferred as text; copy or download it again.',
    );
  }
  return found;
}

/** The first bytes of a file, as text where they are. */
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
      `${file} is ${rank}D (${dims.join(' x ')}), but a 3D image, or a 4D one with channels last, was expected. ` +
        'Split it into 3D images.',
    );
  }
  return { size, channels };
}

function readFields(
  layout: Layout,
  view: DataView,
  bytes: Uint8Array,
  get: Get,
  littleEndian: boolean,
): NiftiFields {
  // A code that the standard does not know says nothing: nibabel takes it as 0.
  const known = (code: number) => (code >= 0 && code <= 5 ? code : 0);
  return {
    qformCode: known(get(layout.qformCode)),
    sformCode: known(get(layout.sformCode)),
    xyztUnits: layout.version === 1 ? view.getUint8(unitsAt[1]) : view.getInt32(unitsAt[2], littleEndian),
    descrip: readText(bytes, layout.descrip, descripLength),
    auxFile: readText(bytes, layout.auxFile, auxFileLength),
    toffset: get(layout.toffset),
  };
}

/** Text up to its first zero byte; latin1, so that every byte survives being written again. */
function readText(bytes: Uint8Array, offset: number, length: number): string {
  const text = Buffer.from(bytes.subarray(offset, offset + length)).toString('latin1');
  return text.split('\0', 1)[0];
}

function readAffine(
  layout: Layout,
  get: Get,
  fields: NiftiFields,
  size: Vec3,
  file: string,
): readonly number[] {
  // Zero counts as 1 mm and the sign does not count, as in nibabel.
  const pixdim = [1, 2, 3]
    .map((i) => Math.abs(get(layout.pixdim, i)))
    .map((mm) => (mm === 0 ? 1 : mm)) as unknown as Vec3;
  let affine: number[];
  let source: string;
  if (fields.sformCode > 0) {
    source = 'sform';
    affine = [...Array.from({ length: 12 }, (_, i) => get(layout.srow, i)), 0, 0, 0, 1];
  } else if (fields.qformCode > 0) {
    source = 'qform';
    const quatern = [0, 1, 2].map((i) => get(layout.quatern, i)) as unknown as Vec3;
    const qoffset = [0, 1, 2].map((i) => get(layout.qoffset, i)) as unknown as Vec3;
    // Slack for rounding: three times the precision of the stored numbers.
    const slack = 3 * (layout.version === 1 ? 2 ** -23 : 2 ** -52);
    const squares = quatern.reduce((sum, value) => sum + value * value, 0);
    if (!(1 - squares >= -slack)) {
      throw new DataError(
        `${file} has a qform that is no rotation: the squares of quatern_b, c and d (${quatern.join(', ')}) sum to ` +
          `${squares}, but at most 1 was expected. Mend its header.`,
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

/** What `makeNiftiHeader` needs. */
export interface NiftiHeaderSource {
  readonly size: Vec3;
  readonly channels: number;
  readonly type: VoxelType;
  readonly affine: Affine;
  /** Fields to keep from a source file. */
  readonly fields?: NiftiFields;
}

/**
 * A header for `.nii`, in this machine's byte order, up to the first voxel (with the four zero bytes that say "no extensions"):
 * NIfTI-1, or NIfTI-2 where a dimension exceeds 32767.
 *
 * The affine is written under the codes of `fields` (both 1, scanner, without): as sform, as qform, or as both. A
 * sheared affine has no qform, and one that a qform alone would not give back within 1e-6 gets an sform as well.
 */
export function makeNiftiHeader(source: NiftiHeaderSource): Uint8Array {
  const { size, channels, type, affine, fields } = source;
  const dims = channels > 1 ? [...size, channels] : [...size];
  const layout = dims.some((n) => n > 32767) ? layout2 : layout1;
  const bytes = new Uint8Array(layout.firstVoxel);
  const view = new DataView(bytes.buffer);
  const set = (field: Field, values: readonly number[]) => {
    values.forEach((value, i) => {
      setField(view, field, i, value);
    });
  };

  view.setInt32(0, layout.bytes, hostLittleEndian);
  set(layout.dim, [dims.length, ...dims, 1, 1, 1, 1].slice(0, 8));
  set(layout.datatype, [datatypes[type]]);
  set(layout.bitpix, [8 * storedBytes[type]]);
  set(layout.voxOffset, [layout.firstVoxel]);
  set(layout.slope, [1]);
  set(layout.toffset, [fields?.toffset ?? 0]);

  const forms = chooseForms(size, affine, fields, layout.version);
  set(layout.pixdim, [forms.qfac, ...forms.pixdim, 1, 1, 1, 1]);
  set(layout.qformCode, [forms.qformCode]);
  set(layout.sformCode, [forms.sformCode]);
  set(layout.quatern, forms.quatern);
  set(layout.qoffset, [affine[3], affine[7], affine[11]]);
  set(layout.srow, affine.slice(0, 12));

  const units = fields?.xyztUnits ?? millimetres;
  if (layout.version === 1) view.setUint8(unitsAt[1], units);
  else view.setInt32(unitsAt[2], units, hostLittleEndian);
  writeText(bytes, layout.descrip, descripLength, fields?.descrip ?? '');
  writeText(bytes, layout.auxFile, auxFileLength, fields?.auxFile ?? '');
  writeText(bytes, layout.magic, 4, `n+${layout.version}`);
  if (layout.version === 2) bytes.set([13, 10, 26, 10], 8);
  return bytes;
}

/** xyzt_units for mm, the time left unknown. */
const millimetres = 2;

function setField(view: DataView, [type, offset]: Field, index: number, value: number): void {
  const at = offset + index * fieldBytes[type];
  if (type === 'BigInt64') view.setBigInt64(at, BigInt(value), hostLittleEndian);
  else view[`set${type}`](at, value, hostLittleEndian);
}

function writeText(bytes: Uint8Array, offset: number, length: number, text: string): void {
  bytes.set(Buffer.from(text, 'latin1').subarray(0, length), offset);
}

interface Forms {
  readonly qfac: 1 | -1;
  readonly pixdim: Vec3;
  readonly quatern: Vec3;
  readonly qformCode: number;
  readonly sformCode: number;
}

/** The form codes and the qform to write, so that the affine is read back by the rules of `readAffine`. */
function chooseForms(size: Vec3, affine: Affine, fields: NiftiFields | undefined, version: 1 | 2): Forms {
  const round = version === 1 ? Math.fround : (value: number) => value;
  const pixdim = spacingOf(affine).map(round) as unknown as Vec3;
  const { quatern, qfac } = qformOf(affine, round);
  // Both are rounded as they are stored, so that what is left is what the other form cannot say.
  const error = (other: readonly number[]) =>
    Math.max(
      ...other.map((value, i) => Math.abs(round(value) - round(affine[i])) / (i % 4 < 3 ? pixdim[i % 4] : 1)),
    );
  const qoffset = [affine[3], affine[7], affine[11]] as const;
  const qformError = error(qformAffine(quatern, pixdim, qfac, qoffset));

  let { qformCode, sformCode } = fields ?? { qformCode: 1, sformCode: 1 };
  // A quaternion in float32 may turn a half-turn by 5e-4; what is beyond is a shear, and the qform cannot say it.
  if (!(qformError < 1e-3)) {
    return { qfac, pixdim, quatern: [0, 0, 0], qformCode: 0, sformCode: sformCode || qformCode || 1 };
  }
  if (sformCode === 0 && qformCode > 0 && qformError > 1e-6) sformCode = qformCode;
  if (sformCode === 0 && qformCode === 0 && error(baseAffine(size, pixdim)) > 1e-6) sformCode = 1;
  return { qfac, pixdim, quatern, qformCode, sformCode };
}

/** The quaternion (b, c, d) and qfac of an affine's rotation; meaningless when it is sheared. */
function qformOf(affine: Affine, round: (value: number) => number): { quatern: Vec3; qfac: 1 | -1 } {
  const spacing = spacingOf(affine);
  const r = (row: number, column: number) => affine[4 * row + column] / spacing[column];
  const determinant =
    r(0, 0) * (r(1, 1) * r(2, 2) - r(1, 2) * r(2, 1)) -
    r(0, 1) * (r(1, 0) * r(2, 2) - r(1, 2) * r(2, 0)) +
    r(0, 2) * (r(1, 0) * r(2, 1) - r(1, 1) * r(2, 0));
  const qfac = determinant < 0 ? -1 : 1;
  const [xx, yy, zz] = [r(0, 0), r(1, 1), r(2, 2) * qfac];
  const [xy, yx] = [r(0, 1), r(1, 0)];
  const [xz, zx] = [r(0, 2) * qfac, r(2, 0)];
  const [yz, zy] = [r(1, 2) * qfac, r(2, 1)];
  // Four times the products of the quaternion's parts; the row of the largest square is the most precise.
  const products = [
    [1 + xx + yy + zz, zy - yz, xz - zx, yx - xy],
    [zy - yz, 1 + xx - yy - zz, xy + yx, xz + zx],
    [xz - zx, xy + yx, 1 - xx + yy - zz, yz + zy],
    [yx - xy, xz + zx, yz + zy, 1 - xx - yy + zz],
  ];
  const squares = products.map((row, i) => row[i]);
  const best = squares.indexOf(Math.max(...squares));
  const length = Math.hypot(...products[best]) * (products[best][0] < 0 ? -1 : 1);
  const [b, c, d] = products[best].slice(1).map((value) => round(value / length));
  return { quatern: [b, c, d], qfac };
}

/** The affine of a qform: rotation by the unit quaternion (a, b, c, d), voxel sizes, and z reversed for qfac -1. */
export function qformAffine([b, c, d]: Vec3, pixdim: Vec3, qfac: 1 | -1, qoffset: Vec3): number[] {
  const a = Math.sqrt(Math.max(0, 1 - (b * b + c * c + d * d)));
  const s = 2 / (a * a + b * b + c * c + d * d);
  const rotation = [
    [1 - s * (c * c + d * d), s * (b * c - a * d), s * (b * d + a * c)],
    [s * (b * c + a * d), 1 - s * (b * b + d * d), s * (c * d - a * b)],
    [s * (b * d - a * c), s * (c * d + a * b), 1 - s * (b * b + c * c)],
  ];
  const [dx, dy, dz] = [pixdim[0], pixdim[1], pixdim[2] * qfac];
  return [...rotation.flatMap(([x, y, z], row) => [x * dx, y * dy, z * dz, qoffset[row]]), ...[0, 0, 0, 1]];
}

/** The affine of a header without sform and qform: x to the left, the origin in the middle of the volume. */
export function baseAffine(size: Vec3, [dx, dy, dz]: Vec3): number[] {
  const [x, y, z] = size.map((n) => (n - 1) / 2);
  return [-dx, 0, 0, x * dx, 0, dy, 0, -y * dy, 0, 0, dz, -z * dz, 0, 0, 0, 1];
}
