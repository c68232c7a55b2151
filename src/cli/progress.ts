import type { RunEvent } from '../pipeline/events.js';
import { showWholeSeconds } from '../report/text.js';
import type { Runtime } from '../runtime/runtime.js';
import { liveFooter, type Output } from './liveFooter.js';
import type { Paint } from './terminal.js';

/** Shows how a run goes. */
export interface Progress {
  onEvent(event: RunEvent): void;
  /** Takes the display away, so that other text can follow. */
  end(): void;
}

/** One JSON object a line, for programs. */
export function jsonProgress(output: Output): Progress {
  return {
    onEvent: (event) =>
      void output.write(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`),
    end() {},
  };
}

/** Plain lines, one when a case ends; for files and pipes. */
export function lineProgress(output: Output): Progress {
  const tally = new Tally();
  return {
    onEvent(event) {
      tally.count(event);
      const line = lineOf(event, tally);
      if (line) output.write(`${line}\n`);
    },
    end() {},
  };
}

/** Events whose line stays on a terminal, and its color. */
const lasting: Partial<Record<RunEvent['event'], 'reset' | 'red' | 'yellow'>> = {
  start: 'reset',
  caseFailed: 'red',
  warning: 'yellow',
};

/** A few lines at the foot of the terminal, drawn anew five times a second. */
export function liveProgress(output: Output, runtime: Runtime): Progress {
  const tally = new Tally();
  const footer = liveFooter(output, (width, paint) => display(tally, runtime, width, paint));
  return {
    onEvent(event) {
      tally.count(event);
      const color = lasting[event.event];
      const line = color && lineOf(event, tally);
      if (line) footer.say(color, line);
    },
    end: footer.end,
  };
}

/** What is known of a run from its events. */
class Tally {
  readonly start = performance.now();
  total = 0;
  done = 0;
  failed = 0;
  skipped = 0;
  steps: readonly string[] = [];
  /** The step each open case is at. */
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
        this.open.set(event.case, this.steps[this.steps.indexOf(event.step) + 1] ?? 'ending');
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

  /** Seconds that are left at the speed so far; undefined before the first case ended. */
  get secondsLeft(): number | undefined {
    if (this.ended === 0) return undefined;
    return (this.seconds / this.ended) * (this.total - this.skipped - this.ended);
  }
}

function lineOf(event: RunEvent, tally: Tally): string | undefined {
  const position = `[${tally.skipped + tally.ended}/${tally.total}]`;
  switch (event.event) {
    case 'start':
      return `${event.pipeline}: ${event.cases} case(s), ${event.inFlight} at once, device ${event.device}${event.deviceNote ? ` (${event.deviceNote})` : ''}, into ${event.output}`;
    case 'caseSkipped':
      return `${position} ${event.case}: skipped, ${event.reason}`;
    case 'caseStart':
      return event.reason && `${event.case}: again, ${event.reason}`;
    case 'caseDone': {
      const metrics = Object.entries(event.metrics).map(([key, value]) => `${key} ${shortNumber(value)}`);
      const left = tally.secondsLeft ? `, about ${showWholeSeconds(tally.secondsLeft)} left` : '';
      return `${position} ${event.case}: ${[`${event.seconds.toFixed(1)} s`, ...metrics.slice(0, 4)].join(', ')}${left}`;
    }
    case 'caseFailed':
      return `${position} ${event.case}: failed at ${event.step}: ${event.message}`;
    case 'warning':
      return `Warning: ${event.message}`;
    default:
      return undefined;
  }
}

function display(tally: Tally, runtime: Runtime, width: number, paint: Paint): string[] {
  const ended = tally.skipped + tally.ended;
  const barWidth = Math.max(10, Math.min(30, width - 50));
  const filled = tally.total > 0 ? Math.round((ended / tally.total) * barWidth) : 0;
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
  const left = tally.secondsLeft === undefined ? '' : `, ${showWholeSeconds(tally.secondsLeft)} left`;
  const speed = tally.ended > 0 ? `, ${shortNumber((tally.ended / tally.seconds) * 60)} cases/min` : '';
  const failed = tally.failed > 0 ? paint('red', ` ${tally.failed} failed`) : '';
  const lines = [
    `${paint('green', bar)} ${ended}/${tally.total}${failed} ${showWholeSeconds(tally.seconds)}${speed}${left}`,
  ];
  const lanes = Object.entries(runtime.lanes).map(
    ([name, lane]) => `${name} ${'●'.repeat(lane.active)}${'○'.repeat(lane.width - lane.active)}`,
  );
  const slowest = [...tally.stepSeconds].sort((a, b) => b[1] - a[1])[0];
  const slow =
    slowest && tally.done > 0
      ? `   slowest: ${slowest[0]}, ${(slowest[1] / Math.max(tally.ended, 1)).toFixed(1)} s a case`
      : '';
  lines.push(paint('dim', clip(`${lanes.join('  ')}${slow}`, width)));
  for (const [id, step] of [...tally.open].slice(0, 8)) lines.push(clip(`  ${id}: ${step}`, width));
  return lines;
}

function clip(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}

function shortNumber(value: number | string): string {
  return typeof value === 'number' ? String(Number(value.toPrecision(4))) : value;
}
