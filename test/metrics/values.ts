import { type Column, nameValues } from '#src/metrics/columns.js';
import type { MetricsRow, MetricValue } from '#src/metrics/metric.js';
import { columnReader } from '#src/metrics/parseColumn.js';
import { createRegistry, metricFinder } from '#src/pipeline/registry.js';

const readColumn = columnReader(new Map(), metricFinder(createRegistry()));
const columns = new Map<string, Column>();

/** Reads the names of columns with the metrics that come with voxstream. Each name is taken apart once. */
export function builtInColumn(name: string): Column {
  const known = columns.get(name) ?? readColumn(name);
  columns.set(name, known);
  return known;
}

/** The values that have these names in files. */
export function valuesNamed(named: Readonly<Record<string, number>>): MetricValue[] {
  return Object.entries(named).map(([name, value]) => {
    const { metric, label } = builtInColumn(name);
    return { metric, label, value };
  });
}

/** Rows of metrics, each given by the names of its columns. */
export function rowsNamed(rows: Readonly<Record<string, Readonly<Record<string, number>>>>): MetricsRow[] {
  return Object.entries(rows).map(([id, named]) => ({ case: id, metrics: valuesNamed(named) }));
}

/** Rows by the names of columns. */
export const namedRows = (rows: readonly MetricsRow[]) =>
  rows.map(({ case: id, metrics }) => ({ case: id, metrics: nameValues(metrics) }));
