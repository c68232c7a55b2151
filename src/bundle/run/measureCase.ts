import { type Case, volumeOf } from '../../case.js';
import { DataError } from '../../errors.js';
import type { Runtime } from '../../runtime/runtime.js';
import { task } from '../../runtime/task.js';
import type { MetricTarget } from '../targets/metrics.js';
import { type Measured, measure } from './measure.js';

const measureTask = task(new URL('./measure.js', import.meta.url), measure);

/**
 * What each metric finds in a case, by the metric's name.
 *
 * @throws DataError if two volumes that are compared have different numbers of voxels.
 */
export async function measureCase(
  subject: Case,
  metrics: readonly MetricTarget[],
  runtime: Runtime,
): Promise<ReadonlyMap<string, Measured>> {
  const found = new Map<string, Measured>();
  for (const metric of metrics) {
    const [pred, label] = metric.keys.map((key) => volumeOf(subject, key));
    checkPair(subject, metric.keys, pred.data.length / pred.channels, label.data.length / label.channels);
    found.set(metric.name, await runtime.run(measureTask, pred, label, metric));
  }
  return found;
}

function checkPair(subject: Case, keys: readonly string[], pred: number, label: number): void {
  if (pred === label) return;
  throw new DataError(
    `The metrics compare ${keys[0]} with ${keys[1]}, but in case ${subject.id} they have ${pred} and ${label} voxels. Both must be on the same grid.`,
  );
}
