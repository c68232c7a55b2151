import { readFile } from 'node:fs/promises';
import { parse } from 'csv-parse/sync';
import { csvSeparator } from '../csvSeparator.js';
import { DataError, messageOf, OptionError, show, unknownName } from '../errors.js';
import { readFault } from '../formats/aside.js';
import { readCsvText } from '../harmless.js';

/** A column that divides the cases, e.g. by scanner. */
export interface Subgrouping {
  /** The name of the column. */
  readonly name: string;
  /** The subgroup of each case that has one. */
  readonly of: ReadonlyMap<string, string>;
}

/**
 * Reads columns that divide the cases from a CSV file with a header. The cases are in the column `case` or
 * `id`, or else in the first one. Columns are separated by commas, semicolons, tabs or bars.
 *
 * @throws DataError if the file cannot be read, is not CSV, or has two rows for a case.
 * @throws OptionError if it does not have a column.
 */
export async function readSubgroups(file: string, columns: readonly string[]): Promise<Subgrouping[]> {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw readFault(file, error);
  });
  let rows: string[][];
  try {
    rows = parse(text, {
      bom: true,
      delimiter: csvSeparator(text),
      skip_empty_lines: true,
      trim: true,
      cast: readCsvText,
    });
  } catch (error) {
    throw new DataError(`${file} is not a CSV file: ${messageOf(error)}`);
  }
  const [head = [], ...lines] = rows;
  const named = head.findIndex((name) => ['case', 'id'].includes(name.toLowerCase()));
  const idColumn = Math.max(0, named);
  const lineOf = new Map<string, string[]>();
  for (const line of lines) {
    const id = line[idColumn];
    if (lineOf.has(id))
      throw new DataError(`${file} has two rows for the case ${show(id)}. Keep one of them.`);
    lineOf.set(id, line);
  }
  return columns.map((name) => {
    const at = head.indexOf(name);
    if (at < 0) throw new OptionError(`--by: ${unknownName(`column in ${file} for`, name, head)}`);
    return { name, of: new Map([...lineOf].flatMap(([id, line]) => (line[at] ? [[id, line[at]]] : []))) };
  });
}

/**
 * The values of a subgrouping in the order in which people expect them: numbers by size, texts by letters.
 */
export function sortedGroups(values: Iterable<string>): string[] {
  return [...new Set(values)].sort(new Intl.Collator('en', { numeric: true }).compare);
}
