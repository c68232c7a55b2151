import { allocate, channelsOf, type Vec3, type Volume, voxelCount } from 'voxstream/author';

/**
 * Smooths each channel with a Gaussian, one axis after the other. The border voxel is repeated outside the
 * volume. The result is float32.
 *
 * This is a pure function on typed arrays. It is exported by name because voxstream calls it in a worker
 * thread.
 *
 * @param sigma Standard deviation in voxels along x, y and z; 0 leaves an axis unchanged.
 */
export function smooth(volume: Volume, sigma: Vec3): Volume {
  const count = voxelCount(volume.size);
  const data = allocate('float32', count * volume.channels);
  channelsOf(volume).forEach((channel, c) => {
    const out = data.subarray(c * count, (c + 1) * count);
    out.set(channel);
    sigma.forEach((deviation, axis) => {
      if (deviation > 0) smoothAxis(out, volume.size, axis, weightsOf(deviation));
    });
  });
  return { ...volume, data, kind: 'image' };
}

/**
 * The weights of a Gaussian up to four standard deviations, starting with the centre. Both sides together sum
 * to 1.
 */
function weightsOf(sigma: number): Float64Array {
  const reach = Math.ceil(4 * sigma);
  const weights = Float64Array.from({ length: reach + 1 }, (_, i) => Math.exp(-0.5 * (i / sigma) ** 2));
  const sum = weights.reduce((total, weight) => total + 2 * weight, -weights[0]);
  return weights.map((weight) => weight / sum);
}

function smoothAxis(data: Float32Array, size: Vec3, axis: number, weights: Float64Array): void {
  const [nx, ny] = size;
  const length = size[axis];
  const stride = [1, nx, nx * ny][axis];
  const line = new Float64Array(length);
  for (let start = 0; start < data.length; start++) {
    // Each line along the axis starts where the index on that axis is 0.
    if (Math.floor(start / stride) % length !== 0) continue;
    for (let i = 0; i < length; i++) line[i] = data[start + i * stride];
    for (let i = 0; i < length; i++) {
      let sum = line[i] * weights[0];
      for (let k = 1; k < weights.length; k++) {
        sum += weights[k] * (line[Math.max(0, i - k)] + line[Math.min(length - 1, i + k)]);
      }
      data[start + i * stride] = sum;
    }
  }
}
