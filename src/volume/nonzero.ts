import { connectedComponents, enclosedComponents, paintComponents } from './components.js';
import { cropOrPad } from './crop.js';
import type { Box } from './regions.js';
import { allocate, channelsOf, type Vec3, type Volume, voxelCount } from './volume.js';

/**
 * The box around the voxels in which any channel is not 0, and if asked for, their mask on the grid of the
 * box, with holes filled. A hole is a part that is not connected with the border of the image over faces of
 * voxels. If everything is 0, the box is the whole image. nnU-Net's `crop_to_nonzero`.
 */
export function cropNonzero(
  volume: Volume,
  withMask: boolean,
): { readonly box: Box; readonly nonzero?: Volume } {
  // Holes are inside of the box in any case.
  const box = nonzeroBox(volume) ?? { start: [0, 0, 0], size: volume.size };
  if (!withMask) return { box };
  const whole: Volume = { ...volume, data: nonzeroMask(volume), channels: 1, kind: 'label' };
  return { box, nonzero: cropOrPad(whole, box.start, box.size) };
}

/** 1 where any channel is not 0, and in holes of that. nnU-Net's `create_nonzero_mask`. */
function nonzeroMask(volume: Volume): Uint8Array {
  const count = voxelCount(volume.size);
  const mask = allocate('uint8', count);
  for (const channel of channelsOf(volume)) {
    for (let i = 0; i < count; i++) if (channel[i] !== 0) mask[i] = 1;
  }
  if (mask.includes(0)) fillEnclosed_(mask, volume.size);
  return mask;
}

/** Sets zeros that are not connected with the border to 1. */
function fillEnclosed_(mask: Uint8Array, size: Vec3): void {
  const zeros = new Uint8Array(mask.length);
  for (let i = 0; i < mask.length; i++) zeros[i] = mask[i] ^ 1;
  const components = connectedComponents(zeros, size, 1);
  const enclosed = enclosedComponents(components, size);
  paintComponents(components, enclosed, 1, { start: [0, 0, 0], size }, size, mask);
}

/** The box around the voxels that are not 0, found from its sides; undefined if there are none. */
function nonzeroBox(volume: Volume): Box | undefined {
  const low = [0, 0, 0];
  const high = [...volume.size];
  const isEmpty = (axis: number, at: number) => {
    const from = low.with(axis, at);
    const to = high.with(axis, at + 1);
    return !hasNonzero(volume, from, to);
  };
  for (const axis of [2, 1, 0]) {
    while (low[axis] < high[axis] && isEmpty(axis, low[axis])) low[axis]++;
    if (low[axis] === high[axis]) return undefined;
    while (isEmpty(axis, high[axis] - 1)) high[axis]--;
  }
  const [x, y, z] = low;
  return { start: [x, y, z], size: [high[0] - x, high[1] - y, high[2] - z] };
}

function hasNonzero(
  { data, size: [nx, ny, nz], channels }: Volume,
  low: readonly number[],
  high: readonly number[],
): boolean {
  for (let c = 0; c < channels; c++) {
    for (let z = low[2]; z < high[2]; z++) {
      for (let y = low[1]; y < high[1]; y++) {
        const row = ((c * nz + z) * ny + y) * nx;
        for (let i = row + low[0]; i < row + high[0]; i++) if (data[i] !== 0) return true;
      }
    }
  }
  return false;
}
