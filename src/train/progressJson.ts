import { Columns, unknownColumn } from '../metrics/columns.js';
import { type ColumnDescription, describeColumns, readColumns } from '../metrics/describeColumns.js';
import { type JsonValues, valuesFromJson, valuesToJson } from '../metrics/valuesAsJson.js';
import type { EpochRow, Progress } from './progress.js';

interface StoredProgress extends Omit<Progress, 'rows'> {
  readonly rows: readonly (Omit<EpochRow, 'metrics'> & { readonly metrics?: JsonValues })[];
  readonly columns?: Readonly<Record<string, ColumnDescription>>;
}

/** The progress of a training as JSON. Its metrics are named by columns, which are described once. */
export function progressToJson({ rows, ...progress }: Progress): string {
  const columns = new Columns();
  const stored = rows.map(({ metrics, ...row }) => ({
    ...row,
    ...(metrics && { metrics: valuesToJson(columns.add(metrics)) }),
  }));
  const content: StoredProgress = { ...progress, rows: stored, columns: describeColumns(columns.all()) };
  return JSON.stringify(content);
}

/** Reads what `progressToJson` wrote. */
export function progressFromJson(text: string): Progress {
  const { rows, columns, ...progress } = JSON.parse(text) as StoredProgress;
  const described = readColumns(columns);
  const columnOf = (name: string) => described.get(name) ?? unknownColumn(name);
  return {
    ...progress,
    rows: rows.map(({ metrics, ...row }) => ({
      ...row,
      ...(metrics && { metrics: valuesFromJson(metrics, columnOf) }),
    })),
  };
}
