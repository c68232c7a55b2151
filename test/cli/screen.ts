/** The number of columns that a character takes on a terminal: two for Chinese, Japanese and Korean ones. */
export const columnsOf = (character: string) =>
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uff00-\uff60]/u.test(character) ? 2 : 1;

/** A control sequence, or one character. */
const tokens = new RegExp(`${String.fromCharCode(27)}\\[([?\\d;]*)([A-Za-z])|.`, 'gsu');

/**
 * A terminal emulator for tests. It supports what the live displays use: wide characters, wrapping at the
 * right edge, cursor moves, erasing, and styles, which it ignores.
 */
export class TestScreen {
  readonly isTTY = true;
  readonly rows = 24;
  /** The characters by row and column; the second column of a wide character is empty. */
  readonly #cells: string[][] = [[]];
  #row = 0;
  #column = 0;

  constructor(readonly columns: number) {}

  write = (text: string | Uint8Array): boolean => {
    for (const [token, code, final] of String(text).matchAll(tokens)) {
      if (final) this.#control(code, final);
      else if (token === '\n') [this.#row, this.#column] = [this.#row + 1, 0];
      else if (token === '\r') this.#column = 0;
      else this.#print(token);
    }
    return true;
  };

  /** The content of the screen, without trailing spaces and empty lines. */
  get text(): string {
    return this.#cells
      .map((row) =>
        Array.from(row, (cell) => cell ?? ' ')
          .join('')
          .trimEnd(),
      )
      .join('\n')
      .trimEnd();
  }

  #print(character: string): void {
    const width = columnsOf(character);
    if (this.#column + width > this.columns) [this.#row, this.#column] = [this.#row + 1, 0];
    const row = (this.#cells[this.#row] ??= []);
    row[this.#column] = character;
    if (width === 2) row[this.#column + 1] = '';
    this.#column += width;
  }

  #control(code: string, final: string): void {
    const count = Number(code) || 1;
    while (this.#cells.length <= this.#row) this.#cells.push([]);
    if (final === 'A') this.#row = Math.max(0, this.#row - count);
    else if (final === 'B') this.#row += count;
    else if (final === 'G') this.#column = count - 1;
    else if (final === 'K' && code === '2') this.#cells[this.#row] = [];
    else if (final === 'K' && (code === '' || code === '0')) this.#cells[this.#row].length = this.#column;
    else if (final === 'J' && (code === '' || code === '0')) this.#cells.length = this.#row + 1;
    else if (!(final === 'm' || code.startsWith('?'))) throw new Error(`unknown control ${code}${final}`);
  }
}
