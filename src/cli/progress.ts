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

/** What the events have told so far. */
class Tally {
  readonly start = performance.now();
  total = 0;
  done = 0;
  failed = 0;
  skipped = 0;
  steps: readonly string[] = [];
  /** The open cases, and the step that each of them is at. */
  readonly open = new Map<string, string>();
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
        this.open.set(event.case, this.steps[0] ?? '');
        break;
      case 'step':
        this.open.set(event.case, this.steps[this.steps.indexOf(event.step) + 1] ?? 'finishing');
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

  /** Seconds left at the speed so far; undefined before the first case ends. */
  get secondsLeft(): number | undefined {
    if (this.ended === 0) return undefined;
    return (this.seconds / this.ended) * (this.total - this.skipped - this.ended);
  }
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
  const filled = bar(ended, tally.total, width - 50);
  const left = tally.secondsLeft === undefined ? '' : `, ${showWholeSeconds(tally.secondsLeft)} left`;
  const speed = tally.ended > 0 ? `, ${shortNumber((tally.ended / tally.seconds) * 60)} cases/min` : '';
  const failed = tally.failed > 0 ? paint('red', ` ${tally.failed} failed`) : '';
  const time = showWholeSeconds(tally.seconds);
  const first = `${paint('green', filled)} ${ended}/${tally.total}${failed} ${time}${speed}${left}`;
  const lanes = Object.entries(runtime.lanes).map(
    ([name, lane]) => `${name} ${'●'.repeat(lane.active)}${'○'.repeat(lane.width - lane.active)}`,
  );
  const second = [lanes.join('  '), slowestStep(tally)].filter(Boolean).join('   ');
  const open = [...tally.open].slice(0, mostOpen).map(([id, step]) => `  ${visible(id)}: ${step}`);
  return [first, paint('dim', second), ...open].map((line) => clip(line, width));
}

function slowestStep({ stepSeconds, ended }: Tally): string {
  const [slowest] = [...stepSeconds].sort((a, b) => b[1] - a[1]);
  if (!slowest || ended === 0) return '';
  return `slowest: ${slowest[0]}, ${(slowest[1] / ended).toFixed(1)} s per case`;
}
