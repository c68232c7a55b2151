import { parse } from 'csv-parse/sync';
import { DataError, messageOf, show } from '../errors.js';
import { readCsvText } from '../harmless.js';
import type { MetricsRow } from './metric.js';
import type { ColumnOf } from './parseColumn.js';

/**
 * Parses a metrics CSV as the sink `metricsCsv` writes it: the first column holds the case, the others
 * numbers. Empty cells are NaN; `inf` and `-inf` are infinite.
 *
 * @param file The file's name in messages.
 * @param columnOf What the column of a name holds.
 * @throws DataError if it is not a CSV, has no rows, has a case twice, or has a cell that is not a number.
 */
export function parseMetrics(text: string, file: string, columnOf: ColumnOf): MetricsRow[] {
  let table: string[][];
  try {
    table = parse(text, { bom: true, skip_empty_lines: true, trim: true });
  } catch (error) {
    throw new DataError(`${file} is not a readable CSV: ${messageOf(error)}.`);
  }
  const [head, ...lines] = table;
  if (!head || lines.length === 0) {
    throw new DataError(`${file} has no cases. Below the header, it must have a row for each case.`);
  }
  const columns = head.slice(1).map((name) => columnOf(readCsvText(name)));
  const seen = new Set<string>();
  return lines.map(([first, ...cells]) => {
    const id = readCsvText(first);
    if (seen.has(id)) throw new DataError(`${file} has two rows for the case ${show(id)}.`);
    seen.add(id);
    const metrics = columns.map(({ name, metric, label }, i) => ({
      metric,
      label,
      value: readNumber(cells[i], `${file}, ${name} of ${id}`),
    }));
    return { case: id, metrics };
  });
}

function readNumber(cell: string, where: string): number {
  if (/^(nan)?$/i.test(cell)) return Number.NaN;
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(cell);
  if (infinite) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const value = Number(cell);
  if (!Number.isNaN(value)) return value;
  throw new DataError(
    `${where} is ${show(cell)}, but it must be a number, inf, or empty where the metric is undefined.`,
  );
}
