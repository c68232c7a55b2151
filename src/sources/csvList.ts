import { parse } from 'csv-parse/sync';
import { csvSeparator } from '../csvSeparator.js';
import { DataError, messageOf, show } from '../errors.js';
import { isImageFile } from '../formats/index.js';
import { checkCount } from './text.js';

/**
 * The rows of a CSV file whose first line names the columns. The separator is the one of comma, semicolon,
 * tab and bar that the first line has most of, or the one that Excel's `sep=` line states. Empty rows, and
 * empty cells behind the last column, are left out.
 *
 * @throws DataError if the file is not a table, or if its first line does not name the columns.
 */
export function parseCsvList(text: string, file: string): Record<string, string>[] {
  const stated = /^sep=(.)\r?\n/.exec(text);
  const table = stated ? text.slice(stated[0].length) : text;
  const delimiter = stated?.[1] ?? csvSeparator(table);
  const rows: Record<string, string>[] = [];
  let names: (string | undefined)[] | undefined;
  const take = (cells: string[], line: number) => {
    if (!cells.some(Boolean)) return;
    checkCount(rows.length, file);
    if (names) rows.push(recordOf(names, cells, `${file}: line ${line}`));
    else names = checkHeader(cells, file);
  };
  try {
    parse(table, {
      delimiter,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
      // Rows are taken as they come: a list may have a million.
      on_record(cells, { lines }) {
        take(cells, lines);
        return null;
      },
    });
    return rows;
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${file} is not a readable CSV: ${messageOf(error)}.`);
  }
}

function recordOf(
  names: readonly (string | undefined)[],
  cells: readonly string[],
  where: string,
): Record<string, string> {
  if (cells.length < names.length || cells.slice(names.length).some(Boolean)) {
    throw new DataError(
      `${where} has ${cells.length} column(s), but the first line names ${names.length}. Correct it, ` +
        'or put paths with a separator in them in quotation marks.',
    );
  }
  return Object.fromEntries(names.flatMap((name, i) => (name ? [[name, cells[i]]] : [])));
}

/** Columns without a name are left out. */
function checkHeader(header: readonly string[], file: string): (string | undefined)[] {
  if (header.some((name) => isImageFile(name))) {
    throw new DataError(
      `${file}: the first line is ${show(header)}, but it must name the columns, e.g. image,label.`,
    );
  }
  const twin = header.find((name, i) => name !== '' && header.indexOf(name) !== i);
  if (twin === undefined) return header.map((name) => name || undefined);
  throw new DataError(`${file} has two columns with the name ${show(twin)}. Rename one of them.`);
}
