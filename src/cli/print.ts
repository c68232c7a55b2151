import { printable } from '../harmless.js';
import { fitted } from './terminal.js';

/** Writes a text to standard output. Escape sequences and other characters that act become visible. */
export function print(text: string): void {
  process.stdout.write(printable(text));
}

/** Like `print`, for sentences: a terminal shows long lines wrapped at spaces. */
export function printText(text: string): void {
  process.stdout.write(fitted(printable(text), process.stdout));
}

/** Like `printText`, to standard error. */
export function printError(text: string): void {
  process.stderr.write(fitted(printable(text), process.stderr));
}
