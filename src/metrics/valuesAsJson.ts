import type { NamedValues } from './columns.js';
import type { MetricValue } from './metric.js';
import type { ColumnOf } from './parseColumn.js';

/** Values by column, as JSON: `NaN`, `Infinity` and `-Infinity` are texts. */
export type JsonValues = Readonly<Record<string, number | string>>;

export function valuesToJson(values: NamedValues): JsonValues {
  const entries = Object.entries(values);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, Number.isFinite(value) ? value : String(value)]),
  );
}

/** Reads what `valuesToJson` wrote. `columnOf` says what a column holds. */
export function valuesFromJson(values: JsonValues, columnOf: ColumnOf): MetricValue[] {
  return Object.entries(values).map(([name, value]) => {
    const { metric, label } = columnOf(name);
    return { metric, label, value: Number(value) };
  });
}
