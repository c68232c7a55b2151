import { parse } from 'csv-parse/sync';
import { functions } from '../language/native.js';
import { Refusal } from '../language/refusal.js';
import type { Value } from '../language/values.js';
import { DataFrame } from './arrays.js';
import type { BoundedFiles } from './files.js';
import { needPath } from './path.js';

/** Functions of pandas. */
export const tableFunctions = (files: BoundedFiles) =>
  functions('pandas', {
    read_csv: (given) => {
      const file = needPath(given.required('filepath_or_buffer'));
      const separator = given.optional('sep') ?? ',';
      if (files.assumeEmpty && !files.exists(file)) return new DataFrame(undefined);
      let rows: string[][];
      try {
        rows = parse(files.read(file), { bom: true, delimiter: String(separator), skip_empty_lines: true });
      } catch (error) {
        if (error instanceof Refusal) throw error;
        throw new Refusal(`${file} is not a table: ${(error as Error).message}`);
      }
      const [names = [], ...cells] = rows;
      return new DataFrame(new Map(names.map((name, i) => [name, column(cells.map((row) => row[i] ?? ''))])));
    },
  });

/** A column as pandas reads it: ints, floats with nan for empty cells, booleans, or texts. */
function column(cells: readonly string[]): Value[] {
  const filled = cells.filter((cell) => cell !== '');
  if (filled.length === 0) return cells.map(() => Number.NaN);
  if (filled.length === cells.length && cells.every((cell) => /^[-+]?\d{1,18}$/.test(cell))) {
    return cells.map((cell) => BigInt(cell));
  }
  if (filled.every((cell) => /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(cell))) {
    return cells.map((cell) => (cell === '' ? Number.NaN : Number(cell)));
  }
  if (cells.every((cell) => /^(true|false)$/i.test(cell))) return cells.map((cell) => /^t/i.test(cell));
  return cells.map((cell) => (cell === '' ? Number.NaN : cell));
}
