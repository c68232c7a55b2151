import { hostLittleEndian, type StoredType } from './layout.js';

type FieldType = 'Int16' | 'Int32' | 'BigInt64' | 'Float32' | 'Float64';

/** The type of a header field and the byte that it begins at. */
export type Field = readonly [FieldType, number];

const fieldBytes = { Int16: 2, Int32: 4, BigInt64: 8, Float32: 4, Float64: 8 } as const;

/** Where the fields of a NIfTI-1 header are. Source: nifti1.h. */
export const layout1 = {
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
export const layout2 = {
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

export type Layout = typeof layout1 | typeof layout2;

const descripLength = 80;
const auxFileLength = 24;

/** NIfTI's numbers for the voxel types that can be read. */
export const datatypes: Readonly<Record<StoredType, number>> = {
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

/** A field's number, the `index`-th where it is a list. */
export function getField(
  view: DataView,
  [type, offset]: Field,
  index: number,
  littleEndian: boolean,
): number {
  return Number(view[`get${type}`](offset + index * fieldBytes[type], littleEndian));
}

/** Sets a field's number, in this machine's byte order. */
export function setField(view: DataView, [type, offset]: Field, index: number, value: number): void {
  const at = offset + index * fieldBytes[type];
  if (type === 'BigInt64') view.setBigInt64(at, BigInt(value), hostLittleEndian);
  else view[`set${type}`](at, value, hostLittleEndian);
}

/** The field xyzt_units: one byte in NIfTI-1, an int32 in NIfTI-2. */
export function getUnits(view: DataView, { version }: Layout, littleEndian: boolean): number {
  return version === 1 ? view.getUint8(123) : view.getInt32(500, littleEndian);
}

/** Sets the field xyzt_units, in this machine's byte order. */
export function setUnits(view: DataView, { version }: Layout, units: number): void {
  if (version === 1) view.setUint8(123, units);
  else view.setInt32(500, units, hostLittleEndian);
}

/**
 * Millimetres in the unit of length that xyzt_units names: metres, mm or micrometres; an unknown one is taken
 * as mm.
 */
export function unitInMm(xyztUnits: number): number {
  const unit = xyztUnits & 7;
  return unit === 1 ? 1000 : unit === 3 ? 0.001 : 1;
}

/** The text fields `descrip` and `aux_file`. */
export function getTexts(bytes: Uint8Array, layout: Layout): { descrip: string; auxFile: string } {
  return {
    descrip: getText(bytes, layout.descrip, descripLength),
    auxFile: getText(bytes, layout.auxFile, auxFileLength),
  };
}

/** Sets the text fields `descrip` and `aux_file`, cut to their lengths. */
export function setTexts(
  bytes: Uint8Array,
  layout: Layout,
  { descrip = '', auxFile = '' }: { descrip?: string; auxFile?: string },
): void {
  setText(bytes, layout.descrip, descripLength, descrip);
  setText(bytes, layout.auxFile, auxFileLength, auxFile);
}

/**
 * Text up to its first zero byte; latin1, so that every byte comes out as it went in when it is written
 * again.
 */
export function getText(bytes: Uint8Array, offset: number, length: number): string {
  const text = Buffer.from(bytes.subarray(offset, offset + length)).toString('latin1');
  return text.split('\0', 1)[0];
}

/** Sets text, cut to a length. */
export function setText(bytes: Uint8Array, offset: number, length: number, text: string): void {
  bytes.set(Buffer.from(text, 'latin1').subarray(0, length), offset);
}
