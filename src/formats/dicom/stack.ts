import { toRas } from '../../volume/affine.js';
import type { Affine, Vec3 } from '../../volume/volume.js';
import type { Slice } from './header.js';

/** How far, in mm, a slice may lie from where the volume's grid has it. */
export const tolerance = 0.01;

/** A slice with all that its place needs. */
export interface PlacedSlice extends Slice {
  readonly position: Vec3;
  readonly orientation: readonly number[];
  readonly spacing: readonly number[];
}

/** A plane of a volume: `1 - fraction` of slice `low` and `fraction` of slice `low + 1`. */
export interface Plane {
  readonly low: number;
  readonly fraction: number;
}

/** Slices in the order of their position along the normal. */
export interface Stack {
  readonly slices: readonly PlacedSlice[];
  /** From one plane of the volume to the next, LPS in mm. Not along the normal if the gantry was tilted. */
  readonly step: Vec3;
  /** The volume's planes, in order; only those of a resampled volume lie between slices. */
  readonly planes: readonly Plane[];
}

/** Why slices make no regular volume. */
export interface StackFault {
  readonly kind: 'duplicate' | 'missing' | 'irregular' | 'unusable';
  /** A clause that continues what the volume is called, without a full stop. */
  readonly text: string;
}

/** What to do with spacing that varies, and with missing slices. */
export interface StackOptions {
  readonly irregular?: 'refuse' | 'resample';
  readonly missing?: 'refuse' | 'resample';
}

/** The vector along the normal of a slice: row direction times column direction. */
export function normalOf([a, b, c, d, e, f]: readonly number[]): Vec3 {
  return [b * f - c * e, c * d - a * f, a * e - b * d];
}

export function dot(a: readonly number[], b: readonly number[]): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

export function minus(a: Vec3, b: Vec3): Vec3 {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

function plus(a: Vec3, b: Vec3, factor: number): Vec3 {
  return [a[0] + factor * b[0], a[1] + factor * b[1], a[2] + factor * b[2]];
}

/** Why a slice's place is not known, as a clause that continues the file's name; undefined if it is. */
export function placeFault({ position, orientation, spacing }: Slice): string | undefined {
  const lacking = [
    ...(position ? [] : ['ImagePositionPatient']),
    ...(orientation ? [] : ['ImageOrientationPatient']),
    ...(spacing ? [] : ['PixelSpacing']),
  ];
  if (lacking.length > 0) {
    return `has no usable ${lacking.join(' and no ')}, so the place of its voxels is not known. Export the series again with its geometry`;
  }
  const [rows, columns] = [orientation?.slice(0, 3) ?? [], orientation?.slice(3) ?? []];
  const unit = [dot(rows, rows), dot(columns, columns)].every((square) => Math.abs(square - 1) < 1e-3);
  if (!unit || Math.abs(dot(rows, columns)) > 1e-3) {
    return `has the ImageOrientationPatient ${orientation?.join('\\')}, but two perpendicular unit vectors were expected. Correct it`;
  }
  return spacing?.every((mm) => mm > 0)
    ? undefined
    : `has the PixelSpacing ${spacing?.join('\\')}, but two positive numbers in mm were expected. Correct it`;
}

/** True once `placeFault` found nothing. */
export function isPlaced(slice: Slice): slice is PlacedSlice {
  return placeFault(slice) === undefined;
}

/** Slices in the order of their position along the normal of the first. */
export function sortSlices(slices: readonly PlacedSlice[]): PlacedSlice[] {
  const normal = normalOf(slices[0].orientation);
  return [...slices].sort((a, b) => dot(a.position, normal) - dot(b.position, normal));
}

/**
 * Makes a volume's grid of slices that are parallel and of one size. Every slice must lie within `tolerance`
 * of the grid, sideways too; else the slices are refused or, where the options say so, resampled between
 * neighbours.
 */
export function stackSlices(unsorted: readonly PlacedSlice[], options: StackOptions): Stack | StackFault {
  const slices = sortSlices(unsorted);
  const normal = normalOf(slices[0].orientation);
  const first = slices[0].position;
  const count = slices.length;
  if (count === 1) {
    const { thickness } = slices[0];
    if (thickness === undefined || !(thickness > 0)) {
      return {
        kind: 'unusable',
        text: 'is one slice without a SliceThickness, so the size of its voxels is not known. Export it with its thickness, or leave it out',
      };
    }
    return {
      slices,
      step: [0, 1, 2].map((i) => normal[i] * thickness) as unknown as Vec3,
      planes: allPlanes(1),
    };
  }
  const gaps = slices.slice(1).map(({ position }, i) => dot(minus(position, slices[i].position), normal));
  const close = gaps.findIndex((gap) => gap < tolerance);
  if (close >= 0) {
    const apart = gaps[close] < 1e-6 ? 'at the same position' : `only ${show(gaps[close])} mm apart`;
    return {
      kind: 'duplicate',
      text:
        `has two slices ${apart} (${where(slices[close])}): ${nameOf(slices[close])} and ${nameOf(slices[close + 1])}. ` +
        'Remove one of them, or part the series into its acquisitions',
    };
  }
  const varying = slices.find((slice) => maxTilt(slice, slices[0]) > tolerance);
  if (varying) {
    return {
      kind: 'irregular',
      text:
        `has slices that are not parallel, or differ in PixelSpacing: ${nameOf(varying)} deviates from ${nameOf(slices[0])} ` +
        `by ${show(maxTilt(varying, slices[0]))} mm in its corners. Part the series`,
    };
  }
  const whole = minus(slices[count - 1].position, first);
  const straight = slices.findIndex((slice) => sideways(slice.position, first, whole, normal) > tolerance);
  if (straight >= 0) {
    return {
      kind: 'irregular',
      text:
        `has slices that are shifted sideways: ${nameOf(slices[straight])} (${where(slices[straight])}) lies ` +
        `${show(sideways(slices[straight].position, first, whole, normal))} mm beside the line through the first and the last. Check the series`,
    };
  }
  const along = slices.map(({ position }) => dot(minus(position, first), normal));
  const length = along[count - 1];
  const evenly = (spaces: readonly number[], total: number) =>
    along.every((mm, i) => Math.abs(mm - (length * spaces[i]) / total) <= tolerance);
  const regular = Array.from(slices, (_, i) => i);
  if (evenly(regular, count - 1))
    return { slices, step: scaled(whole, 1 / (count - 1)), planes: allPlanes(count) };

  const smallest = Math.min(...gaps);
  const steps: number[] = [0];
  for (const gap of gaps) steps.push(steps[steps.length - 1] + Math.round(gap / smallest));
  const total = steps[count - 1];
  const isMissing = evenly(steps, total);
  const [wish, option] = isMissing
    ? [options.missing, 'missing: resample fills them by interpolation']
    : [options.irregular, 'irregular: resample makes them regular by interpolation'];
  const text = isMissing ? missingText(slices, steps) : irregularText(slices, gaps);
  const kind = isMissing ? 'missing' : 'irregular';
  if (wish !== 'resample') return { kind, text: `${text}. The option ${option}` };
  const planes = isMissing ? total + 1 : Math.floor(length / smallest + 1e-6) + 1;
  // A tiny gap among normal ones would blow up the volume.
  if (planes > 4 * count)
    return { kind, text: `${text}. Resampling would make ${planes} slices of ${count}; part the series` };
  const spacing = isMissing ? length / total : smallest;
  return {
    slices,
    step: scaled(whole, spacing / length),
    planes: Array.from({ length: planes }, (_, i) => between(along, i * spacing)),
  };
}

/** The voxels of a stack: columns, rows, planes. */
export function sizeOf({ slices, planes }: Stack): Vec3 {
  const { rows, columns } = slices[0].file.layout;
  return [columns, rows, planes.length];
}

/** The centre of the first pixel of a plane, LPS in mm. */
export function originOf({ slices, planes, step }: Stack, plane: number): Vec3 {
  const { low, fraction } = planes[plane];
  return fraction === 0 ? slices[low].position : plus(slices[0].position, step, plane);
}

/** The affine of a stack, voxel index to mm, RAS+. */
export function affineOf({ slices, step }: Stack): Affine {
  const { position, orientation, spacing } = slices[0];
  const lps = [0, 1, 2].flatMap((row) => [
    orientation[row] * spacing[1],
    orientation[3 + row] * spacing[0],
    step[row],
    position[row],
  ]);
  return toRas([...lps, 0, 0, 0, 1], 'LPS');
}

/** The centre of a slice. */
export function centreOf({ position, orientation, spacing, file }: PlacedSlice): Vec3 {
  const { rows, columns } = file.layout;
  const along = plus(position, orientation.slice(0, 3) as unknown as Vec3, ((columns - 1) / 2) * spacing[1]);
  return plus(along, orientation.slice(3) as unknown as Vec3, ((rows - 1) / 2) * spacing[0]);
}

function allPlanes(count: number): Plane[] {
  return Array.from({ length: count }, (_, low) => ({ low, fraction: 0 }));
}

function scaled(vector: Vec3, factor: number): Vec3 {
  return [vector[0] * factor, vector[1] * factor, vector[2] * factor];
}

/** The plane at `mm` between slices at the places `along`; on a slice where it lies within the tolerance. */
function between(along: readonly number[], mm: number): Plane {
  const above = along.findIndex((place) => place > mm + tolerance);
  const low = (above < 0 ? along.length : above) - 1;
  if (above < 0 || Math.abs(along[low] - mm) <= tolerance) return { low, fraction: 0 };
  return { low, fraction: (mm - along[low]) / (along[above] - along[low]) };
}

/** How far a point lies beside the line from `first` along `whole`, measured within its slice. */
function sideways(point: Vec3, first: Vec3, whole: Vec3, normal: Vec3): number {
  const offset = minus(point, first);
  const share = dot(offset, normal) / dot(whole, normal);
  return Math.hypot(...minus(offset, scaled(whole, share)));
}

/** How far apart, in mm, the corners of two slices lie at most if they began at the same point. */
function maxTilt(a: PlacedSlice, b: PlacedSlice): number {
  const { rows, columns } = a.file.layout;
  const side = (from: number, pixels: number, step: (slice: PlacedSlice) => number) =>
    Math.hypot(
      ...[0, 1, 2].map(
        (i) => pixels * (a.orientation[from + i] * step(a) - b.orientation[from + i] * step(b)),
      ),
    );
  return side(0, columns - 1, ({ spacing }) => spacing[1]) + side(3, rows - 1, ({ spacing }) => spacing[0]);
}

/** A slice's name in messages. */
export function nameOf({ file, frame }: Slice): string {
  return file.frames > 1 ? `frame ${frame + 1} of ${file.file}` : file.file;
}

function where({ position }: PlacedSlice): string {
  return `ImagePositionPatient ${position.map(show).join('\\')}`;
}

function show(mm: number): string {
  return String(Number(mm.toFixed(4)));
}

function missingText(slices: readonly PlacedSlice[], steps: readonly number[]): string {
  const holes = steps.flatMap((step, i) => (i > 0 && step - steps[i - 1] > 1 ? [i] : []));
  const lost = steps[steps.length - 1] + 1 - steps.length;
  const [at] = holes;
  return (
    `lacks ${lost} slice(s) ${holes.length > 1 ? `in ${holes.length} places, the first ` : ''}between ` +
    `${nameOf(slices[at - 1])} (${where(slices[at - 1])}) and ${nameOf(slices[at])} (${where(slices[at])}). Find the missing files`
  );
}

function irregularText(slices: readonly PlacedSlice[], gaps: readonly number[]): string {
  const usual = [...gaps].sort((a, b) => a - b)[gaps.length >> 1];
  const at = gaps.reduce(
    (worst, gap, i) => (Math.abs(gap - usual) > Math.abs(gaps[worst] - usual) ? i : worst),
    0,
  );
  return (
    `has slices at irregular distances, ${show(Math.min(...gaps))} to ${show(Math.max(...gaps))} mm: ${show(gaps[at])} mm ` +
    `between ${nameOf(slices[at])} (${where(slices[at])}) and ${nameOf(slices[at + 1])} (${where(slices[at + 1])}), ` +
    `mostly ${show(usual)} mm. Check the series for missing or extra files`
  );
}
