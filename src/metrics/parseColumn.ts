import { type Column, unknownColumn } from './columns.js';
import type { MetricDescription } from './metric.js';

/** What the column of a name holds. */
export type ColumnOf = (name: string) => Column;

/** Finds the description of a metric by its name, e.g. `hd95`. */
export type FindMetric = (name: string) => MetricDescription | undefined;

/**
 * Takes the name of a column apart: `hd95_left_kidney` is the metric `hd95` of the label `left_kidney`. The
 * longest name of a metric that fits is taken, so `volume_ml_ref_kidney` is read as the reference's volume of
 * `kidney`. A column that `find` knows no metric for keeps its name and has no label.
 */
export function parseColumn(name: string, find: FindMetric): Column {
  for (let at = name.lastIndexOf('_', name.length - 2); at > 0; at = name.lastIndexOf('_', at - 1)) {
    const metric = find(name.slice(0, at));
    const label = name.slice(at + 1);
    if (metric) return { name, metric, label: label === 'mean' && metric.mean ? null : label };
  }
  return unknownColumn(name);
}

/** Reads the names of columns: as a file describes them, otherwise by the metrics that are known. */
export function columnReader(described: ReadonlyMap<string, Column>, find: FindMetric): ColumnOf {
  return (name) => described.get(name) ?? parseColumn(name, find);
}
