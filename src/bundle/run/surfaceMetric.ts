import { distancesTo } from '../../volume/distance.js';
import { quantileOf } from '../../volume/quantile.js';
import { surfaceVoxels } from '../../volume/surface.js';
import type { Triple, Vec3 } from '../../volume/volume.js';
import type { MetricTarget } from '../targets/metrics.js';

/** Whether a voxel belongs to a class. */
type Membership = (i: number) => boolean;

/** The distances are between centres of voxels, counted in voxels. */
const unit: Vec3 = [1, 1, 1];

/**
 * The Hausdorff distance or the average surface distance of a class as MONAI's metrics give it, in voxels. It
 * is NaN if the class is in neither volume. If it is in one of both, it is infinite, and a percentile is NaN.
 *
 * Source: `monai/metrics/hausdorff_distance.py` and `surface_distance.py` of MONAI 1.3.2.
 */
export function surfaceMetric(
  inPred: Membership,
  inLabel: Membership,
  size: Vec3,
  { kind, percentile, oneWay }: Pick<MetricTarget, 'kind' | 'percentile' | 'oneWay'>,
): number {
  const box = boxAround([inPred, inLabel], size);
  if (!box) return Number.NaN;
  const [pred, label] = [inPred, inLabel].map((member) => surfaceVoxels(maskIn(member, size, box), box.size));
  if (pred.length === 0 || label.length === 0) {
    return percentile === undefined ? Number.POSITIVE_INFINITY : Number.NaN;
  }
  const toLabel = distancesTo(pred, label, box.size, unit);
  const lists = oneWay ? [toLabel] : [toLabel, distancesTo(label, pred, box.size, unit)];
  const value =
    kind === 'surface'
      ? meanOf(lists)
      : Math.max(...lists.map((list) => quantileOf(list.sort(), (percentile ?? 100) / 100)));
  return Math.fround(value);
}

interface Box {
  readonly start: Vec3;
  readonly size: Vec3;
}

/** The box around the voxels of both classes. Undefined if there are none. */
function boxAround(members: readonly Membership[], [nx, ny, nz]: Vec3): Box | undefined {
  const low = [nx, ny, nz];
  const high = [-1, -1, -1];
  for (let i = 0, z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++, i++) {
        if (!members.some((member) => member(i))) continue;
        [x, y, z].forEach((at, axis) => {
          low[axis] = Math.min(low[axis], at);
          high[axis] = Math.max(high[axis], at);
        });
      }
    }
  }
  if (high[0] < 0) return undefined;
  return { start: low as Triple, size: low.map((at, axis) => high[axis] - at + 1) as Triple };
}

function maskIn(member: Membership, [nx, ny]: Vec3, { start, size }: Box): Uint8Array {
  const mask = new Uint8Array(size[0] * size[1] * size[2]);
  for (let i = 0, z = 0; z < size[2]; z++) {
    for (let y = 0; y < size[1]; y++) {
      const row = ((start[2] + z) * ny + start[1] + y) * nx + start[0];
      for (let x = 0; x < size[0]; x++, i++) mask[i] = member(row + x) ? 1 : 0;
    }
  }
  return mask;
}

function meanOf(lists: readonly Float64Array[]): number {
  let [sum, count] = [0, 0];
  for (const list of lists) {
    for (const value of list) sum += value;
    count += list.length;
  }
  return sum / count;
}
