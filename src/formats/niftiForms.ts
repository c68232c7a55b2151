import { multiply, solve, spacingOf } from '../volume/affine.js';
import type { Affine, NiftiFields, Triple, Vec3 } from '../volume/volume.js';

/** The form codes, and what a qform stores. */
interface Forms {
  readonly qfac: 1 | -1;
  readonly pixdim: Vec3;
  readonly quatern: Vec3;
  readonly qoffset: Vec3;
  readonly qformCode: number;
  readonly sformCode: number;
}

/**
 * The form codes and the qform to write, so that the affine is read back by the rules of `parseNiftiHeader`.
 *
 * If the source file has a qform that differs from its sform, the same holds for the written file: its qform
 * is the source's, moved in the same way as the affine. ITK uses the qform of many files whose sform it
 * refuses.
 */
export function chooseForms(
  size: Vec3,
  affine: Affine,
  fields: NiftiFields | undefined,
  version: 1 | 2,
): Forms {
  const round = version === 1 ? Math.fround : (value: number) => value;
  const kept = fields?.forms && keptQform(affine, fields.forms, round);
  if (kept && fields) return { ...kept, qformCode: fields.qformCode, sformCode: fields.sformCode };
  const pixdim = spacingOf(affine).map(round) as Triple;
  const { quatern, qfac } = qformOf(affine, round);
  // Both are rounded as they are stored, so that only what the other form cannot express counts as an error.
  const error = (other: readonly number[]) =>
    Math.max(
      ...other.map((value, i) => Math.abs(round(value) - round(affine[i])) / (i % 4 < 3 ? pixdim[i % 4] : 1)),
    );
  const qoffset = offsetOf(affine);
  const qformError = error(qformAffine(quatern, pixdim, qfac, qoffset));

  let { qformCode, sformCode } = fields ?? { qformCode: 1, sformCode: 1 };
  // Near half a turn, a quaternion in float32 is off by up to 5e-4. Beyond that it is a shear, which no qform
  // expresses.
  if (!(qformError < 1e-3)) {
    return {
      ...{ qfac, pixdim, qoffset, quatern: [0, 0, 0] },
      ...{ qformCode: 0, sformCode: sformCode || qformCode || 1 },
    };
  }
  if (sformCode === 0 && qformCode > 0 && qformError > 1e-6) sformCode = qformCode;
  if (sformCode === 0 && qformCode === 0 && error(baseAffine(size, pixdim)) > 1e-6) sformCode = 1;
  return { qfac, pixdim, quatern, qoffset, qformCode, sformCode };
}

/** The source's qform on the grid of `affine`; undefined if a qform cannot express it there. */
function keptQform(
  affine: Affine,
  { sform, qform }: NonNullable<NiftiFields['forms']>,
  round: (value: number) => number,
): Omit<Forms, 'qformCode' | 'sformCode'> | undefined {
  const toSource = solve(sform, affine);
  const moved = toSource && multiply(qform, toSource);
  if (!moved) return undefined;
  const pixdim = spacingOf(moved).map(round) as Triple;
  const qoffset = offsetOf(moved);
  const { quatern, qfac } = qformOf(moved, round);
  const restored = qformAffine(quatern, pixdim, qfac, qoffset);
  const error = Math.max(
    ...restored.map((value, i) => Math.abs(value - moved[i]) / (i % 4 < 3 ? pixdim[i % 4] : 1)),
  );
  return error < 1e-3 ? { qfac, pixdim, quatern, qoffset } : undefined;
}

function offsetOf(affine: Affine): Vec3 {
  return [affine[3], affine[7], affine[11]];
}

/** The quaternion (b, c, d) and qfac of an affine's rotation; meaningless if the affine is sheared. */
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
  // Four times the products of the quaternion's parts. The row with the largest square is the most precise.
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

/**
 * The affine of a qform: rotation by the unit quaternion (a, b, c, d), voxel sizes, and z reversed if qfac is
 * -1.
 */
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
