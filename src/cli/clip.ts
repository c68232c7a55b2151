import { stripVTControlCharacters } from 'node:util';
import sliceAnsi from 'slice-ansi';
import { visible } from '../harmless.js';

/** Shortens a text to a number of columns. Wide characters, e.g. of Chinese, take two columns. */
export function clip(text: string, columns: number): string {
  const plain = stripVTControlCharacters;
  const fits = plain(sliceAnsi(text, 0, columns)) === plain(text);
  return fits ? text : `${sliceAnsi(text, 0, columns - 1)}…`;
}

/**
 * Shows what is being done, on the last line of a terminal; an empty text removes it. Files and pipes get
 * nothing.
 */
export function note(text: string): void {
  const { isTTY, columns } = process.stderr;
  if (isTTY) process.stderr.write(`\r\u001b[K${clip(visible(text), (columns || 80) - 1)}`);
}
