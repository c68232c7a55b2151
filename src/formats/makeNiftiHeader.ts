import type { Affine, NiftiFields, Vec3, VoxelType } from '../volume/volume.js';
import { hostLittleEndian, storedBytes } from './layout.js';
import { chooseForms } from './niftiForms.js';
import {
  datatypes,
  type Field,
  layout1,
  layout2,
  setField,
  setText,
  setTexts,
  setUnits,
  unitInMm,
} from './niftiLayout.js';

/** What `makeNiftiHeader` makes a header from. */
export interface NiftiHeaderSource {
  readonly size: Vec3;
  readonly channels: number;
  readonly type: VoxelType;
  readonly affine: Affine;
  /** Fields to keep from a source file. */
  readonly fields?: NiftiFields;
  /** Text to store between the header and the voxels, as an extension of code 0. */
  readonly extension?: string;
}

/**
 * A header for `.nii`, in this machine's byte order, up to the first voxel (including the four bytes that say
 * whether there is an extension): NIfTI-1, or NIfTI-2 if a dimension exceeds 32767.
 *
 * The affine is written in the units of `fields` (default: mm) under its form codes (default: 1, scanner, for
 * both): as sform, as qform, or as both. A sheared affine is written without a qform, unless the source file
 * had one besides the affine. One that a qform alone would not restore within 1e-6 is written as an sform,
 * too.
 */
export function makeNiftiHeader(source: NiftiHeaderSource): Uint8Array {
  const { size, channels, type, affine, fields, extension } = source;
  const dims = channels > 1 ? [...size, channels] : [...size];
  const layout = dims.some((n) => n > 32767) ? layout2 : layout1;
  const text = extension === undefined ? undefined : new TextEncoder().encode(extension);
  // An extension has eight bytes for its size and code, and ends at a multiple of 16.
  const extended = text ? Math.ceil((text.length + 8) / 16) * 16 : 0;
  const firstVoxel = layout.firstVoxel + extended;
  const bytes = new Uint8Array(firstVoxel);
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
  set(layout.voxOffset, [firstVoxel]);
  set(layout.slope, [1]);
  set(layout.toffset, [fields?.toffset ?? 0]);

  const forms = chooseForms(size, affine, fields, layout.version);
  const units = fields?.xyztUnits ?? millimetres;
  const inUnits = (mm: readonly number[]) => mm.map((value) => value / unitInMm(units));
  set(layout.pixdim, [forms.qfac, ...inUnits(forms.pixdim), 1, 1, 1, 1]);
  set(layout.qformCode, [forms.qformCode]);
  set(layout.sformCode, [forms.sformCode]);
  set(layout.quatern, forms.quatern);
  set(layout.qoffset, inUnits(forms.qoffset));
  set(layout.srow, inUnits(affine.slice(0, 12)));
  setUnits(view, layout, units);
  setTexts(bytes, layout, fields ?? {});
  setText(bytes, layout.magic, 4, `n+${layout.version}`);
  if (layout.version === 2) bytes.set([13, 10, 26, 10], 8);
  if (text) {
    bytes[layout.firstVoxel - 4] = 1;
    view.setInt32(layout.firstVoxel, extended, hostLittleEndian);
    bytes.set(text, layout.firstVoxel + 8);
  }
  return bytes;
}

/** xyzt_units for mm, the time unit unknown. */
const millimetres = 2;
