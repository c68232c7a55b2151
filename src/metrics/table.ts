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

/**
 * A table that is at most `width` wide, if leaving out columns and shortening names suffices. Its last line
 * names the columns that were left out.
 *
 * @param rows The heads, then the rows. The first column holds names.
 * @param optional The heads of columns to leave out, the least important first.
 * @param namesLast Whether the last column holds names, too.
 */
export function fitColumns(
  rows: readonly (readonly string[])[],
  width: number,
  optional: readonly string[],
  namesLast = false,
): string[] {
  const [heads] = rows;
  const leftOut = new Set<string>();
  const kept = () => rows.map((row) => row.filter((_, column) => !leftOut.has(heads[column])));
  const isWide = () => widthOf(alignColumns(kept())) > width;
  for (const head of optional) if (isWide()) leftOut.add(head);
  const lines = alignColumns(isWide() ? shortenNames(kept(), width, namesLast) : kept());
  const missing = heads.filter((head) => leftOut.has(head));
  return missing.length > 0 ? [...lines, `Not shown: ${missing.join(', ')}. --full prints all.`] : lines;
}

/** A table as blocks that are at most `width` wide: columns for which there is no room follow below. */
export function alignBlocks(rows: readonly (readonly string[])[], width: number): string[] {
  const blocks: number[][] = [];
  for (const column of rows[0].keys()) {
    if (column === 0) continue;
    const wider = [0, ...(blocks.at(-1) ?? []), column];
    const fits = widthOf(alignColumns(rows.map((row) => wider.map((at) => row[at])))) <= width;
    if (blocks.length > 0 && fits) blocks.at(-1)!.push(column);
    else blocks.push([column]);
  }
  return blocks.flatMap((columns, at) => [
    ...(at > 0 ? [''] : []),
    ...alignColumns(rows.map((row) => [0, ...columns].map((column) => row[column]))),
  ]);
}

const widthOf = (lines: readonly string[]) => Math.max(...lines.map((line) => line.length));

/** Shortens the names of rows to what the numbers leave of the width. */
function shortenNames(
  rows: readonly (readonly string[])[],
  width: number,
  namesLast: boolean,
): readonly (readonly string[])[] {
  const last = namesLast ? rows[0].length - 1 : 0;
  const isName = (column: number) => column === 0 || column === last;
  const numbers = alignColumns(rows.map((row) => row.map((cell, column) => (isName(column) ? '' : cell))));
  const room = Math.floor((width - widthOf(numbers) - (namesLast ? 2 : 0)) / (namesLast ? 2 : 1));
  return rows.map((row) => row.map((cell, column) => (isName(column) ? shorten(cell, room) : cell)));
}

/** A name of at most `length` characters, at least 8, without its middle. */
function shorten(name: string, length: number): string {
  const most = Math.max(8, length);
  if (name.length <= most) return name;
  const start = Math.ceil((most - 1) / 2);
  return `${name.slice(0, start)}…${name.slice(name.length - (most - 1 - start))}`;
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
