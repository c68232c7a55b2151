import { visible } from '../harmless.js';
import type { RunEvent } from '../pipeline/events.js';
import { showWholeSeconds } from '../report/text.js';
import { shortNumber } from './terminal.js';

/** The state that the events describe. */
export class Tally {
  readonly #start = performance.now();
  /** When the first case was opened, in seconds of the run. */
  #opened: number | undefined;
  /** The steps that run models. */
  readonly #modelSteps = new Set<string>();
  /** What is done before the first case; undefined later. */
  preparing: string | undefined;
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
      case 'preparing':
        this.preparing = event.what;
        break;
      case 'start':
        this.preparing = undefined;
        this.total = event.cases;
        this.steps = event.steps;
        break;
      case 'caseSkipped':
        this.skipped++;
        break;
      case 'caseStart':
        this.preparing = undefined;
        this.#opened ??= this.seconds;
        this.open.set(event.case, { step: this.steps[0] ?? '', models: 0 });
        break;
      case 'windows': {
        const now = this.seconds;
        const { windows, models = 0 } = this.open.get(event.case) ?? {};
        const { done, all, step } = event;
        const first = windows?.first ?? { done, at: now };
        this.#modelSteps.add(step);
        this.open.set(event.case, { step, models, windows: { done, all, first, at: now } });
        break;
      }
      case 'step': {
        const { windows, models = 0 } = this.open.get(event.case) ?? {};
        const step = this.steps[this.steps.indexOf(event.step) + 1] ?? 'finishing';
        this.open.set(event.case, { step, models: models + (windows ? 1 : 0) });
        this.stepSeconds.set(event.step, (this.stepSeconds.get(event.step) ?? 0) + event.seconds);
        break;
      }
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
    return (performance.now() - this.#start) / 1000;
  }

  /** The cases that have ended, and the parts of the open ones that models have done. */
  get progress(): number {
    const parts = [...this.open.values()].map(
      ({ models, windows }) => (models + (windows ? windows.done / windows.all : 0)) / this.#modelSteps.size,
    );
    return this.ended + parts.reduce((sum, part) => sum + Math.min(part || 0, 1), 0);
  }

  /**
   * Seconds left at the speed so far, at least 1; undefined before the first window is done, and at the end.
   * An open case counts by its windows, because models take most of the time.
   */
  get secondsLeft(): number | undefined {
    const { progress } = this;
    const left = this.total - this.skipped - progress;
    if (progress === 0 || left <= 0) return undefined;
    return Math.max(1, ((this.seconds - (this.#opened ?? 0)) / progress) * left);
  }

  /** Cases per minute; of slow ones, per hour. */
  get speed(): string | undefined {
    if (this.ended === 0) return undefined;
    const perMinute = (this.ended / (this.seconds - (this.#opened ?? 0))) * 60;
    const [rate, unit] = perMinute < 1 ? [perMinute * 60, 'h'] : [perMinute, 'min'];
    return `${Number(rate.toPrecision(2))} cases/${unit}`;
  }
}

/** Where an open case is. */
export interface OpenCase {
  readonly step: string;
  /** How many models are done with it. */
  readonly models: number;
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
