import { DataError, show } from '../errors.js';
import { isUsableAffine, sameGrid } from '../volume/affine.js';
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
  unitInMm,
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
  /** Missing for Analyze 7.5, which has other fields in their place. */
  readonly fields?: NiftiFields;
  /** True if the voxels are in another file, `.img`. */
  readonly isPair: boolean;
  /** What was assumed, as full sentences. */
  readonly notes: readonly string[];
}

/** True if bytes begin as an uncompressed NIfTI file does: with the size of its header. */
export function isNiftiHeader(bytes: Uint8Array): boolean {
  return findLayout(bytes) !== undefined;
}

/**
 * Reads the header of a NIfTI-1 or NIfTI-2 file, in either byte order, and checks it: sizes, voxel type,
 * scaling, offset, affine. `bytes` must hold at least its first 540 bytes, or the whole file if that is
 * shorter.
 *
 * The rules are those of nibabel 5: the sform counts if its code is set (1 to 5), else the qform, else the
 * voxel size with x to the left and the origin in the middle; a slope that is 0 or not finite means no
 * scaling. Unlike in nibabel, an affine without an inverse is refused, an sform of zeros gives way to a
 * qform, and the geometry is converted to mm from the units that the file names.
 *
 * @param mayBePair Accept the header of a pair of files (`.hdr` and `.img`), also of Analyze 7.5.
 * @throws DataError if it is not such a header, or does not describe a 3D volume (or 4D, with channels last;
 * or 5D with one time point).
 */
export function parseNiftiHeader(bytes: Uint8Array, file: string, mayBePair = false): NiftiHeader {
  if (bytes.length === 0) {
    throw new DataError(`${file} is empty; a NIfTI file was expected. Copy or download it again.`);
  }
  const { layout, littleEndian, kind } = checkLayout(bytes, file, mayBePair);
  const view = viewOf(bytes);
  const get = (field: Field, index = 0) => getField(view, field, index, littleEndian);
  const { size, channels } = readSize(layout, get, file);
  const scaling = readScaling(layout, get, file);
  const rest =
    kind === 'analyze'
      ? readAnalyzeSpace(view, size, get, littleEndian, file)
      : readSpace(layout, size, get, file, {
          xyztUnits: getUnits(view, layout, littleEndian),
          ...getTexts(bytes, layout),
          toffset: get(layout.toffset),
        });
  return {
    version: layout.version,
    littleEndian,
    size,
    channels,
    stored: readType(layout, get, file),
    offset: readOffset(layout, get, kind === 'single' ? layout.firstVoxel : 0, file),
    ...(scaling && { scaling }),
    isPair: kind !== 'single',
    ...rest,
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

/**
 * One file with header and voxels, a header with its voxels in another file, or such a header of Analyze 7.5.
 */
type HeaderKind = 'single' | 'pair' | 'analyze';

function checkLayout(
  bytes: Uint8Array,
  file: string,
  mayBePair: boolean,
): { layout: Layout; littleEndian: boolean; kind: HeaderKind } {
  const found = findLayout(bytes);
  if (!found) {
    throw new DataError(
      `${file} is not a NIfTI file: it begins with ${beginning(bytes)}, but the header size 348 (NIfTI-1) ` +
        'or 540 (NIfTI-2) was expected. Check that it is the right file.',
    );
  }
  const { layout } = found;
  const least = mayBePair ? layout.bytes : layout.firstVoxel;
  if (bytes.length < least) {
    throw new DataError(
      `${file} is cut off: it holds ${bytes.length} bytes, but its NIfTI-${layout.version} header alone ` +
        `takes ${least}. Copy or download it again.`,
    );
  }
  // NIfTI-2 holds line ends, like PNG, so that a transfer in text mode shows.
  const lineEnds = layout.version === 2 ? [...bytes.subarray(8, 12)] : [];
  if (lineEnds.some((byte) => byte !== 0) && lineEnds.join() !== '13,10,26,10') {
    throw new DataError(
      `${file} has a damaged header: its line-end check is ${show(lineEnds)}, but [13, 10, 26, 10] was ` +
        'expected. It was probably transferred as text; copy or download it again.',
    );
  }
  return { ...found, kind: readKind(getText(bytes, layout.magic, 4), layout, file, mayBePair) };
}

function readKind(magic: string, { version }: Layout, file: string, mayBePair: boolean): HeaderKind {
  if (magic === `n+${version}`) return 'single';
  if (magic === `ni${version}`) {
    if (mayBePair) return 'pair';
    throw new DataError(
      `${file} is the header of a pair of files, but its name does not end in .hdr. Give both files their ` +
        'names back (.hdr and .img), or convert them to .nii.gz.',
    );
  }
  if (mayBePair && version === 1) return 'analyze';
  throw new DataError(
    `${file} is not a NIfTI file: its magic is ${JSON.stringify(magic)}, but "n+${version}" was expected. ` +
      'If it is an Analyze 7.5 header, its name must end in .hdr; else copy or download it again.',
  );
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
  // The fifth dimension holds the components of vectors, at one time point: ITK writes channels like that.
  const [time = 1, components = 1, ...others] = dims.slice(3);
  const channels = time * components;
  checkSize(size, channels, file);
  if (others.some((n) => n !== 1) || (time > 1 && components > 1)) {
    throw new DataError(
      `${file} is ${rank}D (${dims.join(' x ')}), but a 3D image, or a 4D one with channels last, was ` +
        'expected. Split it into 3D images.',
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
      'were expected: int8 to int64, uint8 to uint64, float32 or float64. Convert it to one of these.',
  );
}

function readOffset(layout: Layout, get: Get, least: number, file: string): number {
  const offset = get(layout.voxOffset);
  if (Number.isSafeInteger(offset) && offset >= least) return offset;
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

/** Where voxels are, and the fields that derived files keep. */
type Space = Pick<NiftiHeader, 'affine' | 'fields' | 'notes'>;

function readSpace(
  layout: Layout,
  size: Vec3,
  get: Get,
  file: string,
  texts: Omit<NiftiFields, 'qformCode' | 'sformCode' | 'pixdim' | 'forms'>,
): Space {
  const notes: string[] = [];
  const unit = unitInMm(texts.xyztUnits);
  if (unit !== 1) {
    notes.push(
      `${file} is in ${unit === 1000 ? 'metres' : 'micrometres'} (xyzt_units ${texts.xyztUnits}); its ` +
        'voxel size and position were converted to mm.',
    );
  }
  // Like nibabel, take codes that the standard does not define as 0.
  const known = (code: number) => (code >= 0 && code <= 5 ? code : 0);
  const qformCode = known(get(layout.qformCode));
  let sformCode = known(get(layout.sformCode));
  const sform = [...Array.from({ length: 12 }, (_, i) => unit * get(layout.srow, i)), 0, 0, 0, 1];
  if (sformCode > 0 && qformCode > 0 && sform.every((value, i) => i % 4 === 3 || value === 0)) {
    notes.push(`${file} has an sform of zeros (sform_code ${sformCode}); its qform was used instead.`);
    sformCode = 0;
  }
  const pixdim = readPixdim(layout, get).map((length) => unit * length) as Triple;
  const chosen = sformCode > 0 ? 'sform' : qformCode > 0 ? 'qform' : 'voxel size (pixdim)';
  const qform = qformCode > 0 ? readQform(layout, get, pixdim, unit) : undefined;
  if (chosen === 'qform' && !qform) throw badQform(layout, get, file);
  const affine = chosen === 'sform' ? sform : (qform ?? baseAffine(size, pixdim));
  checkAffine(affine, chosen, file);
  const forms = sformCode > 0 && qform && isUsableAffine(qform) ? { sform, qform } : undefined;
  if (forms && !sameGrid({ size, affine: forms.sform }, { size, affine: forms.qform })) {
    notes.push(
      `${file} has a qform and an sform that differ; the sform was used, as in nibabel. ITK may use the qform.`,
    );
  }
  return { affine, notes, fields: { ...texts, qformCode, sformCode, pixdim, ...(forms && { forms }) } };
}

/** Voxel sizes in the file's unit. As in nibabel, 0 counts as 1, and the sign does not count. */
function readPixdim(layout: Layout, get: Get): Triple {
  const length = (axis: number) => (get(layout.pixdim, axis) === 0 ? 1 : Math.abs(get(layout.pixdim, axis)));
  return [length(1), length(2), length(3)];
}

/** The affine of the qform; undefined if its quaternion is not a rotation. */
function readQform(layout: Layout, get: Get, pixdim: Vec3, unit: number): number[] | undefined {
  const quatern = triple((i) => get(layout.quatern, i));
  // Slack for rounding: three times the precision of the stored numbers.
  const slack = 3 * (layout.version === 1 ? 2 ** -23 : 2 ** -52);
  if (!(1 - squareSum(quatern) >= -slack)) return undefined;
  const qoffset = triple((i) => unit * get(layout.qoffset, i));
  return qformAffine(quatern, pixdim, get(layout.pixdim) === -1 ? -1 : 1, qoffset);
}

function badQform(layout: Layout, get: Get, file: string): DataError {
  const quatern = triple((i) => get(layout.quatern, i));
  return new DataError(
    `${file} has a qform that is not a rotation: the squares of quatern_b, c and d (${quatern.join(', ')}) ` +
      `sum to ${squareSum(quatern)}, but at most 1 was expected. Correct its header.`,
  );
}

function triple(value: (index: number) => number): Triple {
  return [value(0), value(1), value(2)];
}

function squareSum(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}

/**
 * The space of an Analyze 7.5 image, by the rules of nibabel and SPM: x runs to the left, and the origin is
 * where SPM's field says, else in the middle. The fields for orientation and origin are `orient` and
 * `originator`.
 */
function readAnalyzeSpace(view: DataView, size: Vec3, get: Get, littleEndian: boolean, file: string): Space {
  const orient = view.getUint8(252);
  if (orient > 0 && orient <= 5) {
    throw new DataError(
      `${file} is an Analyze 7.5 header with the orientation ${orient} (orient), but only 0, transverse ` +
        'slices, is supported. Convert it to .nii.gz.',
    );
  }
  const pixdim = readPixdim(layout1, get);
  const affine = baseAffine(size, pixdim);
  const origin = triple((i) => view.getInt16(253 + 2 * i, littleEndian));
  if (origin.some((at) => at !== 0) && origin.every((at, i) => at > -size[i] && at < 2 * size[i])) {
    for (const [row, at] of origin.entries()) affine[4 * row + 3] = -affine[5 * row] * (at - 1);
  }
  checkAffine(affine, 'voxel size (pixdim)', file);
  return {
    affine,
    notes: [
      `${file} is an Analyze 7.5 image, which does not say which side is left. As in nibabel and SPM, x ` +
        'was taken to run from right to left.',
    ],
  };
}
