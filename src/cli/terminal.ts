import { styleText } from 'node:util';
import { printable, visible } from '../harmless.js';

export type Style = Parameters<typeof styleText>[0];

/** Styles a text. */
export type Paint = (style: Style, text: string) => string;

/** Styles text for a stream that is a terminal, unless NO_COLOR is set. */
export function painter(stream: Pick<NodeJS.WriteStream, 'isTTY'>): Paint {
  return (style, text) => (stream.isTTY && !process.env.NO_COLOR ? styleText(style, text) : text);
}

/**
 * A message as an entry of a log. Its further lines are indented, so that no name in it can look like an
 * entry.
 */
export function oneEntry(message: string): string {
  return printable(message).replaceAll('\n', '\n    ');
}

/** A terminal, or a file or pipe. */
type Screen = Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>;

/** The columns of a terminal; unlimited for a file or pipe. Some terminals report 0 if they do not know. */
export function columnsOf({ isTTY, columns }: Screen): number {
  return isTTY ? columns || 80 : Number.POSITIVE_INFINITY;
}

/**
 * A text for an output. On a terminal, its long lines are wrapped at spaces and continue indented; a file or
 * pipe gets them whole.
 */
export function fitted(text: string, output: Screen): string {
  const width = columnsOf(output);
  return text
    .split('\n')
    .map((line) => (line.length <= width ? line : hangingLines(line, width)))
    .join('\n');
}

function hangingLines(line: string, width: number): string {
  const [start] = /^ */.exec(line) ?? [''];
  const indent = `${start}    `;
  const [first, ...rest] = wrap(line.slice(start.length), Math.max(20, width - start.length));
  const others = rest.length > 0 ? wrap(rest.join(' '), Math.max(20, width - indent.length)) : [];
  return [start + first, ...others.map((text) => indent + text)].join('\n');
}

/** The most characters of a line on standard output. */
export function lineWidth(): number {
  return Math.min(process.stdout.columns || 100, 120);
}

/**
 * Lines of the form `  name  value`. The values are in one column, wrapped at spaces; they may contain line
 * breaks.
 */
export function fieldLines(
  fields: readonly (readonly [name: string, value: string])[],
  width = lineWidth(),
): string[] {
  const names = Math.max(...fields.map(([name]) => name.length));
  const indent = ' '.repeat(names + 4);
  return fields.flatMap(([name, value]) =>
    printable(value)
      .split('\n')
      .flatMap((line) => wrap(line, Math.max(30, width - indent.length)))
      .map((line, i) => (i === 0 ? `  ${name.padEnd(names)}  ${line}` : `${indent}${line}`).trimEnd()),
  );
}

/** Breaks a text at spaces into lines of at most `width` characters. A longer word gets a line for itself. */
export function wrap(text: string, width = lineWidth()): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last ? `${last} ${word}` : word;
  }
  return lines;
}

/** Lines of a table whose columns are aligned to the left. */
export function columnLines(rows: readonly (readonly string[])[]): string[] {
  const shown = rows.map((row) => row.map(visible));
  const widths = (shown[0] ?? []).map((_, column) => Math.max(...shown.map((row) => row[column].length)));
  return shown.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  );
}

/**
 * A path as a person writes it: relative to the working directory if it is below, with `~` for the home
 * folder.
 */
export function shortPath(path: string): string {
  const [here, home] = [process.cwd(), process.env.HOME];
  if (path.startsWith(`${here}/`)) return path.slice(here.length + 1);
  return home && home.length > 1 && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** A progress bar of 10 to 30 columns, as many as there is room for; empty if there is less. */
export function bar(done: number, total: number, room: number): string {
  if (room < 10) return '';
  const width = Math.min(30, room);
  const filled = total > 0 ? Math.min(width, Math.round((done / total) * width)) : 0;
  return '█'.repeat(filled) + '░'.repeat(width - filled);
}

/** A number with four significant digits; a text stays as it is. */
export function shortNumber(value: number | string): string {
  return typeof value === 'number' ? String(Number(value.toPrecision(4))) : value;
}

/** A difference between numbers with two digits: `0.0046`, `4.3e-6`. */
export function showDifference(value: number): string {
  if (value === 0) return '0';
  return value < 1e-3 ? value.toExponential(1) : value.toPrecision(2);
}
