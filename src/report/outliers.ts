import { type MetricsTable, tabulate } from '../metrics/columns.js';
import { predictedVolume, referenceVolume } from '../metrics/volumes.js';
import { quantileOf } from '../volume/quantile.js';
import { metricsRows, type ReportCase } from './read.js';

/** With fewer values, quartiles say little. */
const fewestValues = 5;

/** Values that are not outliers are within these limits. */
export type Fences = readonly [low: number, high: number];

/**
 * Tukey's fences: 1.5 box lengths beyond the 25th and the 75th percentile (Tukey 1977). Undefined for fewer
 * than 5 finite values.
 */
export function fencesOf(values: readonly number[]): Fences | undefined {
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
  if (sorted.length < fewestValues) return undefined;
  const [q1, q3] = [quantileOf(sorted, 0.25), quantileOf(sorted, 0.75)];
  const reach = 1.5 * (q3 - q1);
  return [q1 - reach, q3 + reach];
}

/** Why a case stands out, by the name of a column. */
export type Outliers = ReadonlySet<string>;

/**
 * The outliers of each case, in the order of the cases, by the names of columns:
 *
 * - In columns of the first metric that has a better end (usually Dice): values beyond the fence at the worse
 *   end.
 * - In columns of predicted volumes: where the difference from the reference is beyond a fence of these
 *   differences. Without a reference, where the volume is beyond a fence of the volumes.
 */
export function findOutliers(cases: readonly ReportCase[]): Outliers[] {
  const table = tabulate(metricsRows(cases));
  const found = cases.map(() => new Set<string>());
  const mark = (
    name: string,
    values: readonly number[],
    isBad: (value: number, fences: Fences) => boolean,
  ) => {
    const fences = fencesOf(values);
    if (!fences) return;
    values.forEach((value, i) => {
      if (Number.isFinite(value) && isBad(value, fences)) found[i].add(name);
    });
  };
  const main = table.columns.find(({ metric }) => metric.better)?.metric;
  for (const { name, metric, label } of table.columns) {
    const values = valuesOf(table, name);
    if (metric.name === main?.name) {
      const sense = main.better;
      mark(name, values, (value, [low, high]) => (sense === 'higher' ? value < low : value > high));
    }
    if (metric.name === predictedVolume.name) {
      const reference = table.columns.find(
        (other) => other.metric.name === referenceVolume.name && other.label === label,
      );
      const references = reference && valuesOf(table, reference.name);
      const measured = references ? values.map((value, i) => value - references[i]) : values;
      mark(name, measured, (value, [low, high]) => value < low || value > high);
    }
  }
  return found;
}

const valuesOf = ({ rows }: MetricsTable, name: string) =>
  rows.map(({ values }) => values[name] ?? Number.NaN);
