import type { AxisMap } from './orientation.js';
import { mapAxes } from './reorient.js';
import type { Triple, Volume } from './volume.js';

/** The map that reverses some axes (0 to 2). */
export function flipMap(reversed: readonly number[]): AxisMap {
  const flips = [0, 1, 2].map((axis) => (reversed.includes(axis) ? -1 : 1));
  return { axes: [0, 1, 2], flips: flips as Triple };
}

/** The map of `k` quarter turns from the first of two axes towards the second, like NumPy's `rot90`. */
export function rotate90Map(k: number, [first, second]: readonly [number, number]): AxisMap {
  const turns = ((k % 4) + 4) % 4;
  const axes = [0, 1, 2];
  const flips = [1, 1, 1];
  if (turns % 2 === 1) [axes[first], axes[second]] = [second, first];
  if (turns === 1 || turns === 2) flips[first] = -1;
  if (turns === 2 || turns === 3) flips[second] = -1;
  return { axes: axes as Triple, flips: flips as Triple };
}

function turned(volume: Volume, map: AxisMap): Volume {
  const { size, affine } = volume;
  return {
    ...mapAxes(volume, map),
    history: [...volume.history, { step: 'orient', from: { size, affine }, ...map }],
  };
}

/** Reverses the voxels along some axes (0 to 2); every voxel keeps its position in mm. */
export function flip(volume: Volume, axes: readonly number[]): Volume {
  return turned(volume, flipMap(axes));
}

/**
 * Rotates the voxels `k` times by 90 degrees from the first of two axes towards the second, like NumPy's
 * `rot90`; every voxel keeps its position in mm.
 */
export function rotate90(volume: Volume, k: number, axes: readonly [number, number]): Volume {
  return k % 4 === 0 ? volume : turned(volume, rotate90Map(k, axes));
}
