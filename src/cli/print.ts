import { printable } from '../harmless.js';

/** Writes a text to standard output. Escape sequences and other characters that act become visible. */
export function print(text: string): void {
  process.stdout.write(printable(text));
}

/** Like `print`, to standard error. */
export function printError(text: string): void {
  process.stderr.write(printable(text));
}
