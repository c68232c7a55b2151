import { parse } from 'csv-parse/sync';
import { DataError, messageOf, show } from '../errors.js';
import { isImageFile } from '../formats/index.js';

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
  const delimiter = stated?.[1] ?? separatorOf(table.slice(0, table.search(/[\r\n]|$/)));
  const [header, ...rows] = readCells(table, delimiter, file);
  if (!header) return [];
  const names = checkHeader(header.cells, file);
  return rows.map(({ cells, line }) => {
    const rest = cells.slice(names.length);
    if (cells.length < names.length || rest.some(Boolean)) {
      throw new DataError(
        `${file}: line ${line} has ${cells.length} column(s), but the first line names ${names.length}. Correct it, ` +
          'or put paths with a separator in them in quotation marks.',
      );
    }
    return Object.fromEntries(names.flatMap((name, i) => (name ? [[name, cells[i]]] : [])));
  });
}

interface Row {
  readonly cells: string[];
  /** Where it ends, from 1. */
  readonly line: number;
}

function readCells(table: string, delimiter: string, file: string): Row[] {
  const rows: Row[] = [];
  try {
    parse(table, {
      delimiter,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
      on_record(cells, { lines }) {
        if (cells.some(Boolean)) rows.push({ cells, line: lines });
        return null;
      },
    });
    return rows;
  } catch (error) {
    throw new DataError(`${file} is not a readable CSV: ${messageOf(error)}.`);
  }
}

function separatorOf(line: string): string {
  const unquoted = line.replace(/"[^"]*"/g, '');
  const count = (separator: string) => unquoted.split(separator).length;
  return [',', ';', '\t', '|'].reduce((best, one) => (count(one) > count(best) ? one : best));
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
