import type { ColumnDescription } from './describeColumns.js';
import { alignBlocks, decimalsFor } from './table.js';

/** The columns of a summary by label and metric. */
export interface LabelMatrix {
  readonly metrics: readonly ColumnDescription[];
  readonly rows: readonly {
    readonly label: string;
    /** For each metric, the name of the column; undefined if the label does not have it. */
    readonly columns: readonly (string | undefined)[];
  }[];
}

/** More columns than this are shown as a matrix. */
const mostLines = 16;

/**
 * The matrix of a summary with more columns and labels than a person reads line by line; undefined for a
 * smaller one. Means over labels are its first row.
 */
export function labelMatrix(columns: Readonly<Record<string, ColumnDescription>>): LabelMatrix | undefined {
  const entries = Object.entries(columns);
  const metrics = new Map(entries.map(([, column]) => [column.metric, column]));
  const labels = [...new Set(entries.map(([, column]) => rowOf(column)))];
  if (entries.length <= mostLines || labels.length < 3) return undefined;
  labels.sort((a, b) => Number(b === meanRow) - Number(a === meanRow));
  const names = new Map(entries.map(([name, column]) => [`${column.metric}\n${rowOf(column)}`, name]));
  return {
    metrics: [...metrics.values()],
    rows: labels.map((label) => ({
      label,
      columns: [...metrics.keys()].map((metric) => names.get(`${metric}\n${label}`)),
    })),
  };
}

const meanRow = 'mean over labels';

const rowOf = ({ label, mean }: ColumnDescription) => label ?? (mean ? meanRow : 'whole case');

/** Numbers by row and column. */
export interface Matrix {
  /** What the numbers are, in one word. */
  readonly what: string;
  readonly heads: readonly string[];
  readonly rows: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
  /** Whether positive numbers have a plus sign. */
  readonly signed?: boolean;
}

/** The numbers of the columns of a label matrix. */
export function matrixOf(
  { metrics, rows }: LabelMatrix,
  what: string,
  numberOf: (column: string) => number | null,
): Matrix {
  return {
    what,
    heads: metrics.map(({ metric }) => metric),
    rows: rows.map(({ label, columns }) => ({
      name: label,
      values: columns.map((column) => (column === undefined ? null : numberOf(column))),
    })),
  };
}

/** A matrix as text, with as many columns beside each other as fit `width`. */
export function matrixText({ what, heads, rows, signed = false }: Matrix, width: number): string {
  const numbers = heads.map((head, at) => {
    const values = rows.map((row) => row.values[at]);
    const digits = decimalsFor(values);
    const text = (value: number | null) =>
      value === null ? '-' : (signed && value > 0 ? '+' : '') + value.toFixed(digits);
    return [head, ...values.map(text)];
  });
  const lines = [what, ...rows.map(({ name }) => name)].map((name, row) => [
    name,
    ...numbers.map((column) => column[row]),
  ]);
  return alignBlocks(lines, width).join('\n');
}
