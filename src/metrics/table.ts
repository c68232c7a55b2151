import { listNames } from '../errors.js';

/** Lines of text with the cells of each column aligned: the first to the left, the others to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd(),
  );
}

/** How many decimals show about four digits of numbers, and at most four decimals. */
export function decimalsFor(values: readonly (number | null)[]): number {
  const largest = Math.max(...values.map((value) => Math.abs(value ?? 0)));
  return largest <= 1 ? 4 : Math.max(0, 4 - String(Math.floor(largest)).length);
}

/** Names for a sentence, the first five when they are many. */
export function listSome(names: readonly string[]): string {
  return names.length > 6 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : listNames(names);
}
