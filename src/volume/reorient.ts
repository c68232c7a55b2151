import {
  type AxisMap,
  axisMap,
  isIdentity,
  mapGridAxes,
  type Orientation,
  orientationOf,
} from './orientation.js';
import { allocateLike, type Vec3, type Volume, type VoxelArray, voxelCount } from './volume.js';

/**
 * Flips and reorders the voxel axes so that they run along `target`. Voxels are copied, not interpolated, and
 * keep their positions in mm. A volume that has this orientation is returned unchanged.
 */
export function reorient(volume: Volume, target: Orientation): Volume {
  const map = axisMap(orientationOf(volume.affine), target);
  if (isIdentity(map)) return volume;
  const { size, affine } = volume;
  return {
    ...mapAxes(volume, map),
    history: [...volume.history, { step: 'orient', from: { size, affine }, ...map }],
  };
}

/** Reorders the voxel axes: new axis k is old axis `axes[k]`. Voxels keep their positions in mm. */
export function permuteAxes(volume: Volume, axes: Vec3): Volume {
  const map: AxisMap = { axes, flips: [1, 1, 1] };
  if (isIdentity(map)) return volume;
  const { size, affine } = volume;
  return {
    ...mapAxes(volume, map),
    history: [...volume.history, { step: 'orient', from: { size, affine }, ...map }],
  };
}

/** Permutes and flips the voxel axes of a volume and its affine; the history does not change. */
export function mapAxes(volume: Volume, map: AxisMap): Volume {
  const data = allocateLike(volume.data, volume.data.length);
  const count = voxelCount(volume.size);
  for (let channel = 0; channel < volume.channels; channel++) {
    permuteVoxels(
      volume.data.subarray(channel * count, (channel + 1) * count),
      volume.size,
      map,
      data.subarray(channel * count, (channel + 1) * count),
    );
  }
  return { ...volume, ...mapGridAxes(volume, map), data };
}

/** Copies one channel of voxels (x fastest) into `out` with its axes permuted and flipped. */
export function permuteVoxels(data: VoxelArray, size: Vec3, { axes, flips }: AxisMap, out: VoxelArray): void {
  const strides = [1, size[0], size[0] * size[1]];
  const [nx, ny, nz] = axes.map((axis) => size[axis]);
  const [sx, sy, sz] = axes.map((axis, k) => strides[axis] * flips[k]);
  let corner = 0;
  axes.forEach((axis, k) => {
    if (flips[k] < 0) corner += strides[axis] * (size[axis] - 1);
  });
  let to = 0;
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      let from = corner + z * sz + y * sy;
      if (sx === 1) {
        out.set(data.subarray(from, from + nx), to);
        to += nx;
      } else {
        for (let x = 0; x < nx; x++, from += sx) out[to++] = data[from];
      }
    }
  }
}
