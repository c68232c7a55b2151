import { listNames } from '../errors.js';
import { visible } from '../harmless.js';

/**
 * Formats rows of cells as lines of text: the first column is aligned to the left, the others to the right.
 */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const shown = rows.map((row) => row.map(visible));
  const widths = shown[0].map((_, column) => Math.max(...shown.map((row) => row[column].length)));
  return shown.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd(),
  );
}

/** The number of decimals that shows about four digits of the largest value, at most four. */
export function decimalsFor(values: readonly (number | null)[]): number {
  const largest = Math.max(...values.map((value) => Math.abs(value ?? 0)));
  return largest <= 1 ? 4 : Math.max(0, 4 - String(Math.floor(largest)).length);
}

/** Lists names for a sentence; of more than six, the first five. */
export function listSome(names: readonly string[]): string {
  return names.length > 6 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : listNames(names);
}
