import { Writable } from 'node:stream';
import { createLogUpdate } from 'log-update';
import { columnsOf, fitted, oneEntry, type Paint, painter, type Style } from './terminal.js';

/** A terminal, or a file or pipe. */
export type Output = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns' | 'rows'>;

/** Lines at the bottom of a terminal that change, below lines that stay. */
export interface LiveFooter {
  /** Writes a line that stays. */
  say(style: Style, line: string): void;
  /** Removes the changing lines. Lines that are said later still appear. */
  end(): void;
}

/**
 * Draws lines at the bottom of a terminal, five times a second.
 *
 * @param linesOf The lines for a width in columns. One column is left free, because some terminals wrap a
 * full line.
 */
export function liveFooter(
  output: Output,
  linesOf: (width: number, paint: Paint) => readonly string[],
): LiveFooter {
  const paint = painter(output);
  const screen = new Screen(output);
  // The cursor stays visible, so that a killed process does not leave the terminal without one.
  const update = createLogUpdate(screen, { showCursor: true });
  const draw = () => update(linesOf(screen.columns - 1, paint).join('\n'));
  const timer = setInterval(draw, 200).unref();
  let ended = false;
  return {
    say(style, line) {
      update.clear();
      output.write(`${paint(style, fitted(oneEntry(line), output))}\n`);
      if (!ended) draw();
    },
    end() {
      ended = true;
      clearInterval(timer);
      update.clear();
    },
  };
}

/** A terminal as log-update takes it. */
class Screen extends Writable {
  readonly #output: Output;

  constructor(output: Output) {
    super({ decodeStrings: false });
    this.#output = output;
  }

  get isTTY(): boolean {
    return this.#output.isTTY;
  }

  get columns(): number {
    return columnsOf(this.#output);
  }

  get rows(): number {
    return this.#output.rows || 24;
  }

  override _write(text: string, _encoding: BufferEncoding, done: () => void): void {
    this.#output.write(text);
    done();
  }
}
