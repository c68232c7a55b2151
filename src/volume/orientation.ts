import { OptionError } from '../errors.js';
import { spacingOf } from './affine.js';
import type { Affine, Grid, Triple, Vec3 } from './volume.js';

/**
 * For each voxel axis: the world axis it runs along (0 = left-right, 1 = back-front, 2 = feet-head), and
 * which way.
 */
export interface Orientation {
  readonly axes: Vec3;
  /** 1 if the voxel axis runs to the right, front or head; -1 if it runs the other way. */
  readonly signs: Vec3;
}

const letters = [
  ['L', 'R'],
  ['P', 'A'],
  ['I', 'S'],
] as const;

/**
 * The orientation that an affine is nearest to; affines may be oblique and sheared.
 *
 * The affine's directions are replaced by the nearest orthogonal matrix (polar decomposition). Then each
 * voxel axis gets the closest world axis that is not taken yet, beginning with the clearest. This is
 * nibabel's `io_orientation` since 5.4; earlier versions go through the voxel axes in order, which differs
 * only for rotations of about 35 degrees and more.
 */
export function orientationOf(affine: Affine): Orientation {
  const spacing = spacingOf(affine);
  let matrix = [0, 1, 2].map((row) => [0, 1, 2].map((axis) => affine[4 * row + axis] / spacing[axis]));
  for (let i = 0; i < 100; i++) {
    const inverse = inverse3(matrix);
    const next = matrix.map((row, r) => row.map((value, c) => (value + inverse[c][r]) / 2));
    const change = Math.max(
      ...next.flatMap((row, r) => row.map((value, c) => Math.abs(value - matrix[r][c]))),
    );
    matrix = next;
    if (change < 1e-15) break;
  }
  const strength = (axis: number) => Math.max(...matrix.map((row) => row[axis] ** 2));
  const axes = [0, 0, 0];
  const signs = [1, 1, 1];
  for (const axis of [0, 1, 2].sort((a, b) => strength(b) - strength(a))) {
    let world = 0;
    for (let row = 1; row < 3; row++) {
      if (Math.abs(matrix[row][axis]) > Math.abs(matrix[world][axis])) world = row;
    }
    axes[axis] = world;
    signs[axis] = matrix[world][axis] < 0 ? -1 : 1;
    matrix[world] = [0, 0, 0];
  }
  return { axes: axes as Triple, signs: signs as Triple };
}

function inverse3([[a, b, c], [d, e, f], [g, h, i]]: number[][]): number[][] {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / determinant));
}

/** Three letters, one per voxel axis, for the side it points to: `RAS`, `LPS`, `PIR`, … */
export function axcodesOf(affine: Affine): string {
  const { axes, signs } = orientationOf(affine);
  return axes.map((world, axis) => letters[world][signs[axis] > 0 ? 1 : 0]).join('');
}

/**
 * What is wrong with axis codes, as a clause; undefined if they hold one letter of each pair L/R, P/A, I/S.
 */
export function axcodesFault(axcodes: string): string | undefined {
  const worlds = [...axcodes].map((letter) =>
    letters.findIndex((pair) => (pair as readonly string[]).includes(letter)),
  );
  if (worlds.length === 3 && [0, 1, 2].every((world) => worlds.includes(world))) return undefined;
  return 'must hold exactly one letter of each pair L/R, P/A and I/S, such as RAS or LPS';
}

/** Reads axis codes, e.g. `RAS`. Throws OptionError unless they name each world axis once. */
export function parseAxcodes(axcodes: string): Orientation {
  const fault = axcodesFault(axcodes);
  if (fault) throw new OptionError(`axcodes ${fault}, but it is "${axcodes}".`);
  const found = [...axcodes].map((letter) => {
    const world = letters.findIndex((pair) => (pair as readonly string[]).includes(letter));
    return { world, sign: letters[world][1] === letter ? 1 : -1 };
  });
  return {
    axes: found.map(({ world }) => world) as Triple,
    signs: found.map(({ sign }) => sign) as Triple,
  };
}

/** How to permute and flip voxel axes: new axis k is old axis `axes[k]`, reversed if `flips[k]` is -1. */
export interface AxisMap {
  readonly axes: Vec3;
  readonly flips: Vec3;
}

/** True if a map changes nothing. */
export function isIdentity({ axes, flips }: AxisMap): boolean {
  return axes.every((axis, k) => axis === k) && flips.every((flip) => flip > 0);
}

/** The permutation and flips that bring voxels from one orientation to another. */
export function axisMap(from: Orientation, to: Orientation): AxisMap {
  const axes = to.axes.map((world) => from.axes.indexOf(world));
  const flips = axes.map((axis, k) => from.signs[axis] * to.signs[k]);
  return { axes: axes as Triple, flips: flips as Triple };
}

/** The map that undoes another. */
export function inverseAxisMap({ axes, flips }: AxisMap): AxisMap {
  const back = [0, 1, 2].map((axis) => axes.indexOf(axis));
  return {
    axes: back as Triple,
    flips: back.map((axis) => flips[axis]) as Triple,
  };
}

/** A grid with its axes permuted and flipped; every voxel keeps its position in mm. */
export function mapGridAxes(grid: Grid, { axes, flips }: AxisMap): Grid {
  const affine = [...grid.affine];
  for (let row = 0; row < 3; row++) {
    let origin = grid.affine[4 * row + 3];
    for (let k = 0; k < 3; k++) {
      const step = grid.affine[4 * row + axes[k]];
      affine[4 * row + k] = step * flips[k];
      if (flips[k] < 0) origin += step * (grid.size[axes[k]] - 1);
    }
    affine[4 * row + 3] = origin;
  }
  return { size: axes.map((axis) => grid.size[axis]) as Triple, affine };
}
