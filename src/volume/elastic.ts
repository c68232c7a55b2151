import { Random } from './random.js';
import { smooth_ } from './smooth.js';
import type { Affine, InterpolationMode, Vec3, Volume } from './volume.js';
import { voxelCount } from './volume.js';
import { type WarpPadding, warp } from './warp.js';

/** A smooth random deformation followed by an affine map. */
export interface Elastic {
  /** The standard deviation of the Gaussian that smooths the offsets, in voxels. */
  readonly sigma: number;
  /** What smoothed offsets from -1 to 1 are multiplied by, in voxels. */
  readonly magnitude: number;
  /** The seed of the offsets. */
  readonly seed: readonly [number, number];
  /** See `warp`. */
  readonly matrix: Affine;
}

/**
 * A volume of `size` voxels, each read at its position plus a smoothed random offset, mapped by `matrix`; see
 * `warp`. MONAI's `Rand3DElastic`, whose Gaussian ends at three standard deviations.
 */
export function deform(
  volume: Volume,
  { sigma, magnitude, seed, matrix }: Elastic,
  size: Vec3,
  mode: InterpolationMode,
  padding: WarpPadding,
): Volume {
  const random = new Random(...seed);
  const offsets = new Float32Array(3 * voxelCount(size));
  for (let i = 0; i < offsets.length; i++) offsets[i] = random.uniform(-1, 1);
  smooth_(offsets, size, [sigma, sigma, sigma], 'erf', 3);
  for (let i = 0; i < offsets.length; i++) offsets[i] *= magnitude;
  return warp(volume, matrix, size, mode, padding, offsets);
}
