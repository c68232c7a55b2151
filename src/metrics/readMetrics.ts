import { parse } from 'csv-parse/sync';
import { DataError, messageOf, show } from '../errors.js';
import type { MetricsRow } from './summary.js';

/**
 * Reads the text of a metrics CSV, as the sink `metricsCsv` writes it: the first column has the case, the others numbers.
 * An empty cell is NaN, `inf` and `-inf` are infinite. `file` is its name in messages.
 *
 * @throws DataError when it is no CSV, has no rows, a case twice, or a cell that is no number.
 */
export function readMetrics(text: string, file: string): MetricsRow[] {
  let table: string[][];
  try {
    table = parse(text, { bom: true, skip_empty_lines: true, trim: true });
  } catch (error) {
    throw new DataError(`${file} is no readable CSV: ${messageOf(error)}.`);
  }
  const [head, ...lines] = table;
  if (!head || lines.length === 0)
    throw new DataError(`${file} has no cases: expected is a row for each case below the header.`);
  const seen = new Set<string>();
  return lines.map(([id, ...cells]) => {
    if (seen.has(id)) throw new DataError(`${file} has two rows for the case ${show(id)}.`);
    seen.add(id);
    const values = cells.map((cell, i) => [
      head[i + 1],
      readNumber(cell, `${file}, ${head[i + 1]} of ${id}`),
    ]);
    return { case: id, metrics: Object.fromEntries(values) };
  });
}

function readNumber(cell: string, where: string): number {
  if (/^(nan)?$/i.test(cell)) return Number.NaN;
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(cell);
  if (infinite) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const value = Number(cell);
  if (!Number.isNaN(value)) return value;
  throw new DataError(
    `${where} is ${show(cell)}, but expected is a number, inf, or nothing where it is not defined.`,
  );
}
