import { isSheared, spacingOf } from './affine.js';
import { distancesTo } from './distance.js';
import { nearestDistances, pointsOf } from './nearest.js';
import { type Box, labelIn, maskOf } from './regions.js';
import { grow, type Vec3, type Volume } from './volume.js';

/**
 * Distances in mm between the surfaces of a label in a prediction and in a reference, each list ascending.
 */
export interface SurfaceDistances {
  /** From each surface voxel of the prediction to the nearest of the reference; infinite if that is empty. */
  readonly toReference: Float64Array;
  /** From each surface voxel of the reference to the nearest of the prediction. */
  readonly toPrediction: Float64Array;
}

/**
 * The value of a distance metric for empty masks: NaN (not defined) if both are empty, infinite if one is.
 * Undefined if neither is, since then there are distances.
 */
export function distanceIfEmpty({ toReference, toPrediction }: SurfaceDistances): number | undefined {
  if (toReference.length > 0 && toPrediction.length > 0) return undefined;
  return toReference.length + toPrediction.length === 0 ? Number.NaN : Number.POSITIVE_INFINITY;
}

/** A label to measure, and a box that contains it. */
export interface LabelBox {
  readonly label: number;
  readonly box: Box;
}

/**
 * The surface distances of labels between two label maps on the same grid, in mm by the reference's affine,
 * sheared grids included.
 *
 * A surface voxel has the label, and a face neighbour without it; outside the volume there is no label. This
 * is MONAI's `get_mask_edges` (a mask without its erosion by a cross) and `get_surface_distance`. Distances
 * are between the centres of voxels. A label is a value, or a channel if the volumes have several.
 */
export function surfaceDistances(
  prediction: Volume,
  reference: Volume,
  labels: readonly LabelBox[],
): SurfaceDistances[] {
  const { affine } = reference;
  const measure = isSheared(affine)
    ? (from: Int32Array, to: Int32Array, size: Vec3) =>
        nearestDistances(pointsOf(from, size, affine), pointsOf(to, size, affine))
    : (from: Int32Array, to: Int32Array, size: Vec3) => distancesTo(from, to, size, spacingOf(affine));
  return labels.map(({ label, box }) => {
    const predicted = surfaceOf(prediction, label, box);
    const truth = surfaceOf(reference, label, box);
    return {
      toReference: measure(predicted, truth, box.size).sort(),
      toPrediction: measure(truth, predicted, box.size).sort(),
    };
  });
}

function surfaceOf(volume: Volume, label: number, box: Box): Int32Array {
  return surfaceVoxels(maskOf([labelIn(volume, label, box)], volume.size, box), box.size);
}

/** The voxels of a mask of `size` voxels that have a face neighbour outside it, as ascending indices. */
export function surfaceVoxels(mask: Uint8Array, [nx, ny, nz]: Vec3): Int32Array {
  let found = new Int32Array(1024);
  let count = 0;
  let i = 0;
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const border = z === 0 || y === 0 || z === nz - 1 || y === ny - 1;
      for (let x = 0; x < nx; x++, i++) {
        if (mask[i] === 0) continue;
        const inside =
          !border &&
          x > 0 &&
          x < nx - 1 &&
          mask[i - 1] & mask[i + 1] & mask[i - nx] & mask[i + nx] & mask[i - nx * ny] & mask[i + nx * ny];
        if (inside) continue;
        if (count === found.length) found = grow(found);
        found[count++] = i;
      }
    }
  }
  return found.slice(0, count);
}
