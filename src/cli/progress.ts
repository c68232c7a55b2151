import { visible } from '../harmless.js';
import type { RunEvent } from '../pipeline/events.js';
import { showWholeSeconds } from '../report/text.js';
import type { Runtime } from '../runtime/runtime.js';
import { GroupedWarnings } from './groupedWarnings.js';
import { liveFooter, type Output } from './liveFooter.js';
import { bar, clip, oneEntry, type Paint, type Style, shortNumber } from './terminal.js';

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
      if (line) output.write(`${oneEntry(line)}\n`);
    },
    say: (message) => void output.write(`${message}\n`),
    end() {},
  };
}

/** The events whose lines stay on a terminal, and their style. */
const lasting: Partial<Record<RunEvent['event'], Style>> = {
  start: 'reset',
  caseFailed: 'red',
  warning: 'yellow',
};

/** Draws a few lines at the bottom of the terminal. */
export function liveProgress(output: Output, runtime: Pick<Runtime, 'lanes'>): Progress<RunEvent> {
  const tally = new Tally();
  const warnings = new GroupedWarnings();
  const footer = liveFooter(output, (width, paint) => display(tally, runtime, width, paint));
  return {
    onEvent(event) {
      tally.count(event);
      if (event.event === 'warning' && !warnings.isNew(event)) return;
      const style = lasting[event.event];
      const line = style && lineOf(event, tally);
      if (line) footer.say(style, line);
    },
    say: (message) => footer.say('reset', message),
    end() {
      for (const line of warnings.closing()) footer.say('yellow', line);
      footer.end();
    },
  };
}

/** The state that the events describe. */
class Tally {
  readonly start = performance.now();
  total = 0;
  done = 0;
  failed = 0;
  skipped = 0;
  steps: readonly string[] = [];
  /** The open cases, and where each of them is. */
  readonly open = new Map<string, OpenCase>();
  /** Seconds per step over all cases. */
  readonly stepSeconds = new Map<string, number>();

  count(event: RunEvent): void {
    switch (event.event) {
      case 'start':
        this.total = event.cases;
        this.steps = event.steps;
        break;
      case 'caseSkipped':
        this.skipped++;
        break;
      case 'caseStart':
        this.open.set(event.case, { step: this.steps[0] ?? '' });
        break;
      case 'windows': {
        const now = this.seconds;
        const first = this.open.get(event.case)?.windows?.first ?? { done: event.done, at: now };
        const { done, all } = event;
        this.open.set(event.case, { step: event.step, windows: { done, all, first, at: now } });
        break;
      }
      case 'step':
        this.open.set(event.case, { step: this.steps[this.steps.indexOf(event.step) + 1] ?? 'finishing' });
        this.stepSeconds.set(event.step, (this.stepSeconds.get(event.step) ?? 0) + event.seconds);
        break;
      case 'caseDone':
        this.done++;
        this.open.delete(event.case);
        break;
      case 'caseFailed':
        this.failed++;
        this.open.delete(event.case);
        break;
      default:
    }
  }

  get ended(): number {
    return this.done + this.failed;
  }

  get seconds(): number {
    return (performance.now() - this.start) / 1000;
  }

  /**
   * Seconds left at the speed so far; undefined before the first window is done. An open case counts by its
   * windows, because models take most of the time.
   */
  get secondsLeft(): number | undefined {
    const shares = [...this.open.values()].map(({ windows }) => (windows ? windows.done / windows.all : 0));
    const ended = this.ended + shares.reduce((sum, share) => sum + share, 0);
    if (ended === 0) return undefined;
    return (this.seconds / ended) * (this.total - this.skipped - ended);
  }
}

/** Where an open case is. */
interface OpenCase {
  readonly step: string;
  /** While a model runs: its windows, and when the first of them was reported, in seconds of the run. */
  readonly windows?: {
    readonly done: number;
    readonly all: number;
    readonly at: number;
    readonly first: { readonly done: number; readonly at: number };
  };
}

/** The step of an open case; with a model, its windows and the time that they take from now. */
function stepText({ step, windows }: OpenCase): string {
  if (!windows) return step;
  const { done, all, at, first } = windows;
  const perWindow = done > first.done ? (at - first.at) / (done - first.done) : undefined;
  const left = perWindow && done < all ? `, ${showWholeSeconds(perWindow * (all - done))} left` : '';
  return `${step}: ${done} of ${all} windows${left}`;
}

function lineOf(event: RunEvent, tally: Tally): string | undefined {
  const position = `[${tally.skipped + tally.ended}/${tally.total}]`;
  switch (event.event) {
    case 'start': {
      const device = event.deviceNote ? `${event.device} (${event.deviceNote})` : event.device;
      const size = `${event.cases} case(s), ${event.inFlight} at once`;
      return `${event.pipeline}: ${size}, device ${device}, into ${event.output}`;
    }
    case 'caseSkipped':
      return `${position} ${visible(event.case)}: skipped, ${event.reason}`;
    case 'caseStart':
      return event.reason && `${visible(event.case)}: again, ${event.reason}`;
    case 'caseDone': {
      const metrics = Object.entries(event.metrics).map(([key, value]) => `${key} ${shortNumber(value)}`);
      const results = [`${event.seconds.toFixed(1)} s`, ...metrics.slice(0, 4)].join(', ');
      const left = tally.secondsLeft ? `, about ${showWholeSeconds(tally.secondsLeft)} left` : '';
      return `${position} ${visible(event.case)}: ${results}${left}`;
    }
    case 'caseFailed':
      return `${position} ${visible(event.case)}: failed at ${event.step}: ${event.message}`;
    case 'warning':
      return `Warning: ${event.case === undefined ? '' : `${visible(event.case)}: `}${event.message}`;
    default:
      return undefined;
  }
}

/** The most open cases that are listed. */
const mostOpen = 8;

function display(tally: Tally, runtime: Pick<Runtime, 'lanes'>, width: number, paint: Paint): string[] {
  const ended = tally.skipped + tally.ended;
  const left = tally.secondsLeft === undefined ? '' : `, ${showWholeSeconds(tally.secondsLeft)} left`;
  const speed = tally.ended > 0 ? `, ${shortNumber((tally.ended / tally.seconds) * 60)} cases/min` : '';
  const failed = tally.failed > 0 ? ` ${tally.failed} failed` : '';
  const count = `${ended}/${tally.total}`;
  // The speed comes last: where there is no room, it is clipped.
  const times = ` ${showWholeSeconds(tally.seconds)}${left}${speed}`;
  const filled = bar(ended, tally.total, width - count.length - failed.length - times.length - 1);
  const first = `${filled && `${paint('green', filled)} `}${count}${failed && paint('red', failed)}${times}`;
  const lanes = Object.entries(runtime.lanes).map(
    ([name, lane]) => `${name} ${'●'.repeat(lane.active)}${'○'.repeat(lane.width - lane.active)}`,
  );
  const second = [lanes.join('  '), slowestStep(tally)].filter(Boolean).join('   ');
  // The names come last: they may be long, and what is clipped must not be the progress.
  const open = [...tally.open].slice(0, mostOpen).map(([id, one]) => [stepText(one), visible(id)]);
  const texts = Math.max(0, ...open.map(([text]) => text.length));
  const lines = open.map(([text, id]) => `  ${text.padEnd(texts)}  ${id}`);
  return [first, paint('dim', second), ...lines].map((line) => clip(line, width));
}

function slowestStep({ stepSeconds, ended }: Tally): string {
  const [slowest] = [...stepSeconds].sort((a, b) => b[1] - a[1]);
  if (!slowest || ended === 0) return '';
  return `slowest: ${slowest[0]}, ${(slowest[1] / ended).toFixed(1)} s per case`;
}
