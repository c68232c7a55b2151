import type { ColumnDescription } from './describeColumns.js';
import { alignColumns, decimalsFor } from './table.js';

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

/** The means of a summary as text, a line per label and as many metrics beside each other as fit `width`. */
export function matrixText(
  metrics: Readonly<Record<string, { readonly mean: number | null }>>,
  matrix: LabelMatrix,
  width: number,
): string {
  const means = matrix.metrics.map((metric, at) => {
    const values = matrix.rows.map(({ columns }) => {
      const name = columns[at];
      return name === undefined ? null : metrics[name].mean;
    });
    const digits = decimalsFor(values);
    return [metric.metric, ...values.map((value) => value?.toFixed(digits) ?? '-')];
  });
  const labels = ['mean', ...matrix.rows.map(({ label }) => label)];
  const widthOf = (cells: readonly string[]) => Math.max(...cells.map((cell) => cell.length));
  const blocks: string[][][] = [];
  let left = 0;
  for (const column of means) {
    const needed = 2 + widthOf(column);
    if (left < needed) {
      blocks.push([labels]);
      left = width - widthOf(labels);
    }
    blocks.at(-1)!.push(column);
    left -= needed;
  }
  return blocks
    .map((block) => alignColumns(labels.map((_, row) => block.map((column) => column[row]))).join('\n'))
    .join('\n\n');
}
