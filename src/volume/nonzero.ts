import { connectedComponents, enclosedComponents, paintComponents } from './components.js';
import { cropOrPad } from './crop.js';
import type { Box } from './regions.js';
import { allocate, channelsOf, type Vec3, type Volume, voxelCount } from './volume.js';

/** The part of an image that is not background. */
export interface Nonzero {
  readonly box: Box;
  /** 1 where any channel is not 0, and in holes of that; of the whole image. */
  readonly mask: Uint8Array;
}

/**
 * The voxels in which any channel is not 0, with holes filled, and the box around them. A hole is a part that
 * is not connected with the border of the image over faces of voxels. If everything is 0, the box is the
 * whole image. nnU-Net's `create_nonzero_mask`.
 */
export function findNonzero(volume: Volume): Nonzero {
  const { size } = volume;
  const count = voxelCount(size);
  const mask = allocate('uint8', count);
  for (const channel of channelsOf(volume)) {
    for (let i = 0; i < count; i++) if (channel[i] !== 0) mask[i] = 1;
  }
  const whole = { start: [0, 0, 0], size } as const;
  if (!mask.includes(0)) return { box: whole, mask };
  fillEnclosed_(mask, size);
  return { box: boxOf(mask, size) ?? whole, mask };
}

/**
 * The box around the voxels that are not 0, and if asked for, their mask on the grid of the box; see
 * `findNonzero`.
 */
export function cropNonzero(
  volume: Volume,
  withMask: boolean,
): { readonly box: Box; readonly nonzero?: Volume } {
  const { box, mask } = findNonzero(volume);
  if (!withMask) return { box };
  const whole: Volume = { ...volume, data: mask, channels: 1, kind: 'label' };
  return { box, nonzero: cropOrPad(whole, box.start, box.size) };
}

/** Sets zeros that are not connected with the border to 1. */
function fillEnclosed_(mask: Uint8Array, size: Vec3): void {
  const zeros = new Uint8Array(mask.length);
  for (let i = 0; i < mask.length; i++) zeros[i] = mask[i] ^ 1;
  const components = connectedComponents(zeros, size, 1);
  const enclosed = enclosedComponents(components, size);
  paintComponents(components, enclosed, 1, { start: [0, 0, 0], size }, size, mask);
}

function boxOf(mask: Uint8Array, [nx, ny, nz]: Vec3): Box | undefined {
  const low = [nx, ny, nz];
  const high = [-1, -1, -1];
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const row = mask.subarray((z * ny + y) * nx, (z * ny + y + 1) * nx);
      const first = row.indexOf(1);
      if (first < 0) continue;
      const place = [first, y, z];
      const end = [row.lastIndexOf(1), y, z];
      for (let axis = 0; axis < 3; axis++) {
        low[axis] = Math.min(low[axis], place[axis]);
        high[axis] = Math.max(high[axis], end[axis]);
      }
    }
  }
  if (high[0] < 0) return undefined;
  const [x, y, z] = low;
  return { start: [x, y, z], size: [high[0] - x + 1, high[1] - y + 1, high[2] - z + 1] };
}
