import { mapAxes } from './reorient.js';
import type { Triple, Volume } from './volume.js';

function turned(volume: Volume, axes: readonly number[], flips: readonly number[]): Volume {
  const map = { axes: axes as Triple, flips: flips as Triple };
  const { size, affine } = volume;
  return {
    ...mapAxes(volume, map),
    history: [...volume.history, { step: 'orient', from: { size, affine }, ...map }],
  };
}

/** Reverses the voxels along some axes (0 to 2); every voxel keeps its position in mm. */
export function flip(volume: Volume, axes: readonly number[]): Volume {
  return turned(
    volume,
    [0, 1, 2],
    [0, 1, 2].map((axis) => (axes.includes(axis) ? -1 : 1)),
  );
}

/**
 * Rotates the voxels `k` times by 90 degrees from the first of two axes towards the second, like NumPy's
 * `rot90`; every voxel keeps its position in mm.
 */
export function rotate90(volume: Volume, k: number, [first, second]: readonly [number, number]): Volume {
  const turns = ((k % 4) + 4) % 4;
  if (turns === 0) return volume;
  const axes = [0, 1, 2];
  const flips = [1, 1, 1];
  if (turns !== 2) [axes[first], axes[second]] = [second, first];
  if (turns !== 3) flips[first] = -1;
  if (turns !== 1) flips[second] = -1;
  return turned(volume, axes, flips);
}
