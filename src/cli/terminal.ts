import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];

/** Gives a text a style. */
export type Paint = (style: Style, text: string) => string;

/** Colors text for a stream: only on a terminal, and not where NO_COLOR is set. */
export function painter(stream: Pick<NodeJS.WriteStream, 'isTTY'>): Paint {
  return (style, text) => (stream.isTTY && !process.env.NO_COLOR ? styleText(style, text) : text);
}

/** Characters that a line of standard output may have. */
export function lineWidth(): number {
  return Math.min(process.stdout.columns || 100, 120);
}

/** Lines `  name  value`, values in one column and wrapped there at spaces; a value may hold line breaks of its own. */
export function fieldLines(
  fields: readonly (readonly [name: string, value: string])[],
  width = lineWidth(),
): string[] {
  const names = Math.max(...fields.map(([name]) => name.length));
  const indent = ' '.repeat(names + 4);
  return fields.flatMap(([name, value]) =>
    value
      .split('\n')
      .flatMap((line) => wrap(line, Math.max(30, width - indent.length)))
      .map((line, i) => (i === 0 ? `  ${name.padEnd(names)}  ${line}` : `${indent}${line}`).trimEnd()),
  );
}

/** A text in lines of at most `width` characters, broken at spaces; a longer word has a line of its own. */
export function wrap(text: string, width = lineWidth()): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last ? `${last} ${word}` : word;
  }
  return lines;
}

/** Rows of cells in columns that are aligned to the left. */
export function columnLines(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  );
}

/** A path as a person writes it: relative when it is below the working directory, `~` for the home folder. */
export function shortPath(path: string): string {
  const [here, home] = [process.cwd(), process.env.HOME];
  if (path.startsWith(`${here}/`)) return path.slice(here.length + 1);
  return home && home.length > 1 && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** A note on the work that goes on, on the last line of a terminal until it is cleared; elsewhere it is not shown. */
export function note(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

/** A difference between numbers, in two digits: `0.0046`, `4.3e-6`. */
export function showDifference(value: number): string {
  if (value === 0) return '0';
  return value < 1e-3 ? value.toExponential(1) : value.toPrecision(2);
}
