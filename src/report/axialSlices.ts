import { orientationOf } from '../volume/orientation.js';
import { type Plane, planeThrough } from '../volume/slices.js';
import type { Grid, Triple, Vec3 } from '../volume/volume.js';
import type { CaseSlices } from './caseNote.js';
import { layerErrors, type MaskLayers } from './maskLayers.js';

/** Axial slices to page through, and where each label has its largest error. */
export interface AxialSlices {
  readonly planes: readonly Plane[];
  readonly slices: CaseSlices;
  /** By label, the place of the slice with the most wrong voxels; labels without errors are left out. */
  readonly worst: ReadonlyMap<number, number>;
}

/**
 * Chooses at most `most` axial slices of a case: the middle one, the one with the most wrong voxels, the one
 * with the most of each label, and for the rest slices at equal distances. Without a reference, the slices
 * with the largest areas of labels take the place of those with errors.
 *
 * @param masks The prediction and the reference, or one of them, or none.
 */
export function chooseAxial(
  grid: Grid,
  masks: readonly MaskLayers[],
  middle: Vec3,
  most: number,
): AxialSlices | undefined {
  if (most < 1) return undefined;
  const { axes, signs } = orientationOf(grid.affine);
  const axis = axes.indexOf(2);
  const [mask, other] = masks;
  const errors = mask ? layerErrors(mask, other, axis) : new Map<number, Uint32Array>();
  const present = masks.flatMap((one) => [...layerErrors(one, undefined, axis).values()]);
  const indices = chooseIndices(errors, extentOf(present, grid.size[axis]), middle[axis], most);
  // From the feet to the head.
  if (signs[axis] < 0) indices.reverse();
  const planes = indices.map((index) => {
    const at: Triple = [...middle];
    at[axis] = index;
    return planeThrough(grid, 'axial', at);
  });
  const total = totalOf([...errors.values()], grid.size[axis]);
  return {
    planes,
    slices: {
      of: grid.size[axis],
      numbers: indices.map((index) => (signs[axis] < 0 ? grid.size[axis] - index : index + 1)),
      middle: indices.indexOf(middle[axis]),
      worst: peakOf(indices.map((index) => total[index])),
    },
    worst: new Map(
      [...errors].map(([label, counts]) => [label, peakOf(indices.map((index) => counts[index]))]),
    ),
  };
}

/** The indices of slices that `chooseAxial` keeps, in increasing order. */
export function chooseIndices(
  errors: ReadonlyMap<number, ArrayLike<number>>,
  [first, last]: readonly [number, number],
  middle: number,
  most: number,
): number[] {
  const peaks = [...errors.values()].map((counts) => ({ at: peakOf(counts), size: counts[peakOf(counts)] }));
  const wanted = [
    middle,
    ...(errors.size > 0 ? [peakOf(totalOf([...errors.values()], last + 1))] : []),
    ...peaks.sort((a, b) => b.size - a.size).map(({ at }) => at),
  ];
  const chosen = new Set<number>();
  for (const at of wanted) if (chosen.size < most) chosen.add(at);
  const rest = most - chosen.size;
  for (let i = 0; i < rest; i++) chosen.add(Math.round(first + ((i + 0.5) * (last - first)) / rest));
  return [...chosen].sort((a, b) => a - b);
}

/** The first and the last of `length` slices in which there is anything; all slices if there is nothing. */
function extentOf(counts: readonly Uint32Array[], length: number): [number, number] {
  const total = totalOf(counts, length);
  const last = total.findLastIndex((count) => count > 0);
  return last < 0 ? [0, length - 1] : [total.findIndex((count) => count > 0), last];
}

function totalOf(counts: readonly ArrayLike<number>[], length: number): number[] {
  return Array.from({ length }, (_, i) => counts.reduce((sum, one) => sum + one[i], 0));
}

/** The first index with the largest value. */
function peakOf(counts: ArrayLike<number>): number {
  let peak = 0;
  for (let i = 1; i < counts.length; i++) if (counts[i] > counts[peak]) peak = i;
  return peak;
}
