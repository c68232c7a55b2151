import { visible } from '../harmless.js';
import type { RunEvent } from '../pipeline/events.js';
import { showWholeSeconds } from '../report/text.js';
import { shortNumber } from './terminal.js';

/** The state that the events describe. */
export class Tally {
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
export interface OpenCase {
  readonly step: string;
  /** While a model runs: its windows, and when the first of them was reported, in seconds of the run. */
  readonly windows?: {
    readonly done: number;
    readonly all: number;
    readonly at: number;
    readonly first: { readonly done: number; readonly at: number };
  };
}

/** The line for an event; undefined for one that has none. */
export function lineOf(event: RunEvent, tally: Tally): string | undefined {
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
