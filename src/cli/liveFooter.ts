import { type Paint, painter, type Style } from './terminal.js';

/** A terminal, or a file or pipe. */
export type Output = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>;

/** Lines at the foot of a terminal that change, below lines that stay. */
export interface LiveFooter {
  /** Writes a line that stays. */
  say(style: Style, line: string): void;
  /** Takes the changing lines away. */
  end(): void;
}

/**
 * Draws lines at the foot of a terminal, anew five times a second.
 *
 * @param linesOf The lines for a width in columns; 79 where the terminal tells none, which some tell as 0.
 */
export function liveFooter(
  output: Output,
  linesOf: (width: number, paint: Paint) => readonly string[],
): LiveFooter {
  const paint = painter(output);
  let drawn = 0;
  const erase = () => {
    if (drawn > 0) output.write(`\u001b[${drawn}A\u001b[J`);
    drawn = 0;
  };
  const draw = () => {
    erase();
    const lines = linesOf((output.columns || 80) - 1, paint);
    output.write(`${lines.join('\n')}\n`);
    drawn = lines.length;
  };
  const timer = setInterval(draw, 200);
  timer.unref();
  return {
    say(style, line) {
      erase();
      output.write(`${paint(style, line)}\n`);
      draw();
    },
    end() {
      clearInterval(timer);
      erase();
    },
  };
}
