import { visible } from '../harmless.js';
import type { RunEvent } from '../pipeline/events.js';
import { GroupedWarnings } from './groupedWarnings.js';
import type { Output } from './liveFooter.js';
import { lineOf, Tally } from './tally.js';
import { fitted, oneEntry } from './terminal.js';

/** Shows the events of a run or a training. */
export interface Progress<Event> {
  onEvent(event: Event): void;
  /** Shows a message to the user. */
  say(message: string): void;
  /** Removes what is drawn, so that other text can follow. */
  end(): void;
}

/** Writes one JSON object per line, for programs. Messages to the user go to `messages`. */
export function jsonProgress<Event extends object>(output: Output, messages: Output): Progress<Event> {
  return {
    onEvent: (event) =>
      // What JSON leaves as it is, a terminal may act on.
      void output.write(`${visible(JSON.stringify({ time: new Date().toISOString(), ...event }))}\n`),
    say: (message) => void messages.write(`${message}\n`),
    end() {},
  };
}

/** Writes plain lines, one when a case ends; for files and pipes. */
export function lineProgress(output: Output): Progress<RunEvent> {
  const tally = new Tally();
  const warnings = new GroupedWarnings();
  return {
    onEvent(event) {
      tally.count(event);
      if (event.event === 'warning' && !warnings.isNew(event)) return;
      const line = lineOf(event, tally);
      if (line) output.write(`${oneEntry(line)}\n`);
    },
    say: (message) => void output.write(`${message}\n`),
    end() {
      for (const line of warnings.closing()) output.write(`${oneEntry(line)}\n`);
    },
  };
}

/** Shows only cases that fail, and messages to the user. */
export function quietProgress(output: Output): Progress<RunEvent> {
  const tally = new Tally();
  return {
    onEvent(event) {
      tally.count(event);
      const line = event.event === 'caseFailed' ? lineOf(event, tally) : undefined;
      if (line) output.write(`${fitted(oneEntry(line), output)}\n`);
    },
    say: (message) => void output.write(`${fitted(message, output)}\n`),
    end() {},
  };
}
