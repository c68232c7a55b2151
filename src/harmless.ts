/**
 * Characters that act instead of being shown: control characters, line and paragraph separators, marks that
 * change the direction of text, byte-order marks, and halves of surrogate pairs.
 */
const acting = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** A text as one visible line: characters that act are written as `\u001b`, as JSON writes them. */
export function visible(text: string): string {
  return text.replace(acting, escaped);
}

/** Like `visible`, for a text of several lines: line breaks and tabs stay. */
export function printable(text: string): string {
  return text.replace(acting, (character) => (/[\n\t]/.test(character) ? character : escaped(character)));
}

/** A text with each character that acts replaced by `_`. */
export function withoutActing(text: string): string {
  return text.replace(acting, '_');
}

/** A text without halves of surrogate pairs, which no encoding can hold; each becomes U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Cs}/gu, '\ufffd');
}

/** The begin of a text that spreadsheets take for a formula, or that `csvText` has marked. */
const formula = /^'*[=+\-@\t\r]/;

/** A text as a cell of a CSV file. One that spreadsheets would take for a formula gets a `'` before it. */
export function csvText(text: string): string {
  return formula.test(text) ? `'${text}` : text;
}

/** Reads what `csvText` wrote. */
export function readCsvText(cell: string): string {
  return cell.startsWith("'") && formula.test(cell) ? cell.slice(1) : cell;
}
