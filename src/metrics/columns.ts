import { DataError, show } from '../errors.js';
import type { MetricsRow, MetricValue } from './metric.js';

/**
 * A column of a metrics file. Files name values by metric and label: `dice_spleen`, or `dice_mean` for the
 * mean over labels. Only this module makes such names, and only `parseColumn` takes them apart.
 */
export interface Column extends Pick<MetricValue, 'metric' | 'label'> {
  readonly name: string;
}

/** The values of a case by the names of their columns. */
export type NamedValues = Readonly<Record<string, number>>;

/** The name that a value has in files. */
export function columnName({ metric, label }: Pick<MetricValue, 'metric' | 'label'>): string {
  if (label !== null) return `${metric.name}_${label}`;
  return metric.mean ? `${metric.name}_mean` : metric.name;
}

/** The column of a name that no metric is known for. It keeps its name and has no direction. */
export function unknownColumn(name: string): Column {
  const range = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;
  return { name, metric: { name, title: name, range, mean: false }, label: null };
}

/**
 * Names values as files do.
 *
 * @throws DataError if two values would have the same name.
 */
export function nameValues(values: readonly MetricValue[]): NamedValues {
  const named = new Map<string, MetricValue>();
  for (const value of values) {
    const name = columnName(value);
    const other = named.get(name);
    if (other) throw twoValues(name, other, value);
    named.set(name, value);
  }
  return Object.fromEntries([...named].map(([name, { value }]) => [name, value]));
}

function twoValues(name: string, first: MetricValue, second: MetricValue): DataError {
  if (sameKind(first, second)) {
    return new DataError(
      `There are two values for the column ${name}, both ${describe(first)}. Remove one of the steps that measure it, or ` +
        'give them different "labels".',
    );
  }
  return ambiguous(name, first, second);
}

/** The columns of the metrics of several cases, in the order in which they first appear. */
export class Columns {
  readonly #byName = new Map<string, Column>();

  /**
   * Adds the columns of a case and returns its values by name.
   *
   * @throws DataError if a name stands for two different things, in this case or together with an earlier
   * one.
   */
  add(values: readonly MetricValue[]): NamedValues {
    const named = nameValues(values);
    for (const value of values) {
      const column = { name: columnName(value), metric: value.metric, label: value.label };
      const known = this.#byName.get(column.name);
      if (known && !sameKind(known, column) && !isUnknown(known) && !isUnknown(column)) {
        throw ambiguous(column.name, known, column);
      }
      if (!known || isUnknown(known)) this.#byName.set(column.name, column);
    }
    return named;
  }

  /** The columns so far. */
  all(): Column[] {
    return [...this.#byName.values()];
  }
}

/**
 * Rows of metrics as a table: their columns, and each row by the names of columns. A row may lack some
 * columns.
 */
export interface MetricsTable {
  readonly columns: readonly Column[];
  readonly rows: readonly { readonly case: string; readonly values: NamedValues }[];
}

/**
 * Makes a table of rows of metrics.
 *
 * @throws DataError if the name of a column stands for two different things.
 */
export function tabulate(rows: readonly MetricsRow[]): MetricsTable {
  const columns = new Columns();
  const named = rows.map(({ case: id, metrics }) => ({ case: id, values: columns.add(metrics) }));
  return { columns: columns.all(), rows: named };
}

/**
 * Whether a column has a name, or is of the metric of that name: `dice_spleen` and `dice` both name
 * `dice_spleen`.
 */
export function isNamed(column: Column, name: string): boolean {
  return column.name === name || column.metric.name === name;
}

type Kind = Pick<MetricValue, 'metric' | 'label'>;

function sameKind(a: Kind, b: Kind): boolean {
  return a.metric.name === b.metric.name && a.label === b.label;
}

/** Whether a column is of `unknownColumn`. The same column may be known elsewhere, e.g. in another run. */
function isUnknown({ name, metric, label }: Column): boolean {
  return label === null && metric.name === name && metric.title === name && !metric.better;
}

function describe({ metric, label }: Kind): string {
  if (label !== null) return `${metric.name} of the label ${show(label)}`;
  return metric.mean ? `the mean of ${metric.name} over labels` : metric.name;
}

function ambiguous(name: string, first: Kind, second: Kind): DataError {
  return new DataError(
    `The column ${name} would stand for two things: ${describe(first)}, and ${describe(second)}. ` +
      'Rename the label in the dataset, or choose the labels to measure with "labels".',
  );
}
