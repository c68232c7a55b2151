import { showWholeSeconds } from '../report/text.js';
import type { TrainEvent } from '../train/events.js';
import { liveFooter, type Output } from './liveFooter.js';
import type { Paint } from './terminal.js';

/** Shows how a training goes. */
export interface TrainProgress {
  readonly onEvent: (event: TrainEvent) => void;
  /** Takes the display away, so that other text can follow. */
  readonly end: () => void;
}

/** One JSON object a line, for programs. */
export function jsonTraining(output: Output): TrainProgress {
  return {
    onEvent: (event) => {
      output.write(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
    },
    end: () => {},
  };
}

/** Plain lines, one for each epoch; for files and pipes. */
export function lineTraining(output: Output): TrainProgress {
  const tally = new TrainTally();
  return {
    onEvent: (event) => {
      tally.count(event);
      const line = lineOf(event, tally);
      if (line) output.write(`${line}\n`);
    },
    end: () => {},
  };
}

/** Two lines at the foot of the terminal, drawn anew five times a second, below a line for each epoch. */
export function liveTraining(output: Output): TrainProgress {
  const tally = new TrainTally();
  const footer = liveFooter(output, (width, paint) => display(tally, width, paint));
  return {
    onEvent: (event) => {
      tally.count(event);
      const line = lineOf(event, tally);
      const color = event.event === 'caseFailed' ? 'red' : event.event === 'warning' ? 'yellow' : 'reset';
      if (line) footer.say(color, line);
    },
    end: footer.end,
  };
}

/** What is known of a training from its events. */
class TrainTally {
  start: Extract<TrainEvent, { event: 'start' }> | undefined;
  epoch = 0;
  step = 0;
  /** Steps of earlier runs. */
  before = 0;
  loss: number | undefined;
  seconds = 0;
  waited = 0;
  patches = 0;
  validating: string | undefined;
  last: string | undefined;
  #begin = performance.now();

  count(event: TrainEvent): void {
    if (event.event === 'start') {
      this.start = event;
      this.before = event.resumedAt ?? 0;
      this.step = this.before;
      this.#begin = performance.now();
    } else if (event.event === 'step') {
      this.validating = undefined;
      this.epoch = event.epoch;
      this.step = event.step;
      // Smoothed, so that it can be read.
      this.loss = this.loss === undefined ? event.loss : 0.9 * this.loss + 0.1 * event.loss;
      this.seconds += event.seconds;
      this.waited += event.waited;
      this.patches += this.start?.patches ?? 0;
    } else if (event.event === 'validating') {
      this.validating = `validating ${event.done}/${event.cases}`;
    } else if (event.event === 'epoch') {
      this.validating = undefined;
      if (event.metrics) this.last = metricsText(event.metrics);
    }
  }

  get total(): number {
    return this.start ? this.start.epochs * this.start.stepsPerEpoch : 0;
  }

  /** Seconds that are left at the speed so far, validations included. */
  get secondsLeft(): number | undefined {
    const done = this.step - this.before;
    if (done === 0) return undefined;
    return ((performance.now() - this.#begin) / 1000 / done) * Math.max(0, this.total - this.step);
  }
}

const short = (value: number) => String(Number(value.toPrecision(4)));

function metricsText(metrics: Readonly<Record<string, number>>): string {
  return Object.entries(metrics)
    .slice(0, 4)
    .map(([column, value]) => `${column} ${short(value)}`)
    .join(', ');
}

function lineOf(event: TrainEvent, tally: TrainTally): string | undefined {
  switch (event.event) {
    case 'start': {
      const resumed = event.resumedAt === undefined ? '' : `, going on after step ${event.resumedAt}`;
      return (
        `${event.pipeline}: ${event.cases} case(s), ${event.validationCases} for validation, ${event.epochs} epochs of ` +
        `${event.stepsPerEpoch} step(s), ${event.patches} patches of ${event.patch.join(' x ')} a step, ` +
        `${event.parameters.toLocaleString('en')} weights, device ${event.device}, into ${event.output}${resumed}`
      );
    }
    case 'epoch': {
      const parts: string[] = [];
      if (event.loss !== undefined) parts.push(`loss ${short(event.loss)}`);
      if (event.metrics) parts.push(`validation ${metricsText(event.metrics)}${event.best ? ' (best)' : ''}`);
      if (event.patchesPerSecond !== undefined) parts.push(`${short(event.patchesPerSecond)} patches/s`);
      if (tally.secondsLeft) parts.push(`about ${showWholeSeconds(tally.secondsLeft)} left`);
      return `[${event.epoch}/${tally.start?.epochs ?? '?'}] ${parts.join(', ')}`;
    }
    case 'caseFailed':
      return `${event.case}: left out: ${event.message}`;
    case 'warning':
      return `Warning: ${event.message}`;
    default:
      return undefined;
  }
}

function display(tally: TrainTally, width: number, paint: Paint): string[] {
  const { start, total, step } = tally;
  if (!start) return ['Preparing the first batch…'];
  const barWidth = Math.max(10, Math.min(30, width - 60));
  const filled = total > 0 ? Math.min(barWidth, Math.round((step / total) * barWidth)) : 0;
  const left = tally.secondsLeft === undefined ? '' : `, ${showWholeSeconds(tally.secondsLeft)} left`;
  const speed = tally.seconds > 0 ? `, ${short(tally.patches / tally.seconds)} patches/s` : '';
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
  const loss = tally.loss === undefined ? '' : `loss ${short(tally.loss)}`;
  const idle = tally.seconds > 0 ? `device waited ${Math.round((100 * tally.waited) / tally.seconds)} %` : '';
  const second = [tally.validating, loss, tally.last, idle].filter(Boolean).join('   ');
  return [
    `${paint('green', bar)} epoch ${tally.epoch}/${start.epochs}, step ${step}/${total}${speed}${left}`,
    paint('dim', second.length > width ? `${second.slice(0, width - 1)}…` : second),
  ];
}
