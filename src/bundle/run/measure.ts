import type { Volume } from '../../volume/volume.js';
import { voxelCount } from '../../volume/volume.js';
import type { MetricTarget } from '../targets/metrics.js';
import { surfaceMetric } from './surfaceMetric.js';

/** What a metric finds in one case: a value per class, or what the accuracy counts. */
export interface Measured {
  /** Values as float32, NaN where there is none. */
  readonly values: readonly number[];
  /** For accuracy: voxels that agree, and all. */
  readonly correct?: number;
  readonly total?: number;
}

/**
 * Measures one case as MONAI's metrics do, in the precision of float32.
 *
 * Source: `monai/metrics` of MONAI 1.3.2, where distances are in voxels, because its handlers give no
 * spacing; ignite's `Accuracy` for two tensors of the same shape, which are compared voxel by voxel over all
 * channels.
 */
export function measure(pred: Volume, label: Volume, metric: MetricTarget): Measured {
  const { kind } = metric;
  if (kind === 'accuracy') return accuracy(pred, label);
  if (kind === 'mae' || kind === 'mse' || kind === 'rmse') return { values: [errorOf(pred, label, kind)] };
  const classes = metric.classes ?? pred.channels;
  const first = metric.includeBackground ? 0 : 1;
  // A single channel holds labels, of which MONAI takes only 1.
  const wanted = classes > 1 ? Array.from({ length: classes - first }, (_, i) => first + i) : [1];
  const one = (c: number) =>
    kind === 'dice' || kind === 'iou'
      ? overlapOf(counts(pred, label, c), metric)
      : surfaceMetric(membership(pred, c), membership(label, c), pred.size, metric);
  return { values: wanted.map(one) };
}

interface Counts {
  readonly both: number;
  readonly pred: number;
  readonly label: number;
}

function counts(pred: Volume, label: Volume, c: number): Counts {
  const count = voxelCount(pred.size);
  const [inPred, inLabel] = [membership(pred, c), membership(label, c)];
  let [both, ofPred, ofLabel] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const [p, l] = [inPred(i), inLabel(i)];
    if (p) ofPred++;
    if (l) ofLabel++;
    if (p && l) both++;
  }
  return { both, pred: ofPred, label: ofLabel };
}

function membership({ data, channels, size }: Volume, c: number): (i: number) => boolean {
  if (channels === 1) return (i) => data[i] === c;
  const start = c * voxelCount(size);
  return (i) => data[start + i] !== 0;
}

function overlapOf({ both, pred, label }: Counts, { kind, ignoreEmpty }: MetricTarget): number {
  const { fround } = Math;
  if (label > 0) {
    return kind === 'dice'
      ? fround(fround(2 * both) / fround(pred + label))
      : fround(both / fround(pred + label - both));
  }
  if (ignoreEmpty) return Number.NaN;
  return pred === 0 ? 1 : 0;
}

/** The mean over all voxels and channels of a difference, as MONAI's `MAEMetric` and the like. */
function errorOf(pred: Volume, label: Volume, kind: 'mae' | 'mse' | 'rmse'): number {
  let sum = 0;
  for (let i = 0; i < pred.data.length; i++) {
    const difference = pred.data[i] - label.data[i];
    sum += kind === 'mae' ? Math.abs(difference) : difference * difference;
  }
  const mean = sum / pred.data.length;
  return Math.fround(kind === 'rmse' ? Math.sqrt(mean) : mean);
}

function accuracy(pred: Volume, label: Volume): Measured {
  let correct = 0;
  const total = Math.min(pred.data.length, label.data.length);
  for (let i = 0; i < total; i++) if (pred.data[i] === label.data[i]) correct++;
  return { values: [], correct, total };
}

/**
 * The mean over the classes of each case and then over the cases, without NaN, as MONAI's reduction
 * `mean`.
 */
export function meanOf(cases: readonly Measured[]): number {
  if (cases[0]?.total !== undefined) {
    const sum = (pick: (one: Measured) => number | undefined) =>
      cases.reduce((all, one) => all + (pick(one) ?? 0), 0);
    return sum(({ correct }) => correct) / sum(({ total }) => total);
  }
  const means = cases.map(({ values }) => mean32(values.filter((value) => !Number.isNaN(value))));
  const found = means.filter((value) => value !== undefined);
  return mean32(found) ?? 0;
}

/** A mean in the precision of float32. */
export function mean32(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return Math.fround(values.reduce((sum, value) => Math.fround(sum + value), 0) / values.length);
}
