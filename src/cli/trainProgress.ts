import { visible } from '../harmless.js';
import type { JsonValues } from '../metrics/valuesAsJson.js';
import { showWholeSeconds } from '../report/text.js';
import type { TrainEvent } from '../train/events.js';
import { clip } from './clip.js';
import { GroupedWarnings } from './groupedWarnings.js';
import { liveFooter, type Output } from './liveFooter.js';
import type { Progress } from './progress.js';
import { bar, fitted, oneEntry, type Paint, type Style, shortNumber } from './terminal.js';

/** Writes plain lines, one for each epoch; for files and pipes. */
export function lineTraining(output: Output): Progress<TrainEvent> {
  const tally = new TrainTally();
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

/** Shows only cases that cannot be used, and messages to the user. */
export function quietTraining(output: Output): Progress<TrainEvent> {
  const tally = new TrainTally();
  return {
    onEvent(event) {
      const line = event.event === 'caseFailed' ? lineOf(event, tally) : undefined;
      if (line) output.write(`${fitted(oneEntry(line), output)}\n`);
    },
    say: (message) => void output.write(`${fitted(message, output)}\n`),
    end() {},
  };
}

/** The styles of lines that are not plain. */
const styles: Partial<Record<TrainEvent['event'], Style>> = { caseFailed: 'red', warning: 'yellow' };

/** Draws two lines at the bottom of the terminal, below a line for each epoch. */
export function liveTraining(output: Output): Progress<TrainEvent> {
  const tally = new TrainTally();
  const warnings = new GroupedWarnings();
  const footer = liveFooter(output, (width, paint) => display(tally, width, paint));
  return {
    onEvent(event) {
      tally.count(event);
      if (event.event === 'warning' && !warnings.isNew(event)) return;
      const line = lineOf(event, tally);
      if (line) footer.say(styles[event.event] ?? 'reset', line);
    },
    say: (message) => footer.say('reset', message),
    end() {
      for (const line of warnings.closing()) footer.say('yellow', line);
      footer.end();
    },
  };
}

/** The state that the events describe. */
class TrainTally {
  start: Extract<TrainEvent, { event: 'start' }> | undefined;
  epoch = 0;
  step = 0;
  /** The steps that earlier runs did. */
  before = 0;
  loss: number | undefined;
  seconds = 0;
  waited = 0;
  patches = 0;
  validating: string | undefined;
  /** The last validation, and the epoch of the best one. */
  last: string | undefined;
  bestEpoch: number | undefined;
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
      // Smoothed, so that it is readable.
      this.loss = this.loss === undefined ? event.loss : 0.9 * this.loss + 0.1 * event.loss;
      this.seconds += event.seconds;
      this.waited += event.waited;
      this.patches += this.start?.patches ?? 0;
    } else if (event.event === 'validating') {
      this.validating = `validating ${event.done}/${event.cases}`;
    } else if (event.event === 'epoch') {
      this.validating = undefined;
      if (event.best) this.bestEpoch = event.epoch;
      if (event.metrics) this.last = metricsText(event.metrics, 1);
    }
  }

  get total(): number {
    return this.start ? this.start.epochs * this.start.stepsPerEpoch : 0;
  }

  /** Seconds left at the speed so far, with validations; undefined before the first step and at the end. */
  get secondsLeft(): number | undefined {
    const done = this.step - this.before;
    const left = this.total - this.step;
    if (done === 0 || left <= 0) return undefined;
    return Math.max(1, ((performance.now() - this.#begin) / 1000 / done) * left);
  }
}

function metricsText(metrics: JsonValues, most = 4): string {
  return Object.entries(metrics)
    .slice(0, most)
    .map(([column, value]) => `${column} ${shortNumber(Number(value))}`)
    .join(', ');
}

function lineOf(event: TrainEvent, tally: TrainTally): string | undefined {
  switch (event.event) {
    case 'start': {
      const resumed = event.resumedAt === undefined ? '' : `, continuing after step ${event.resumedAt}`;
      return (
        `${event.pipeline}: ${event.cases} case(s), ${event.validationCases} for validation, ${event.epochs} epochs of ` +
        `${event.stepsPerEpoch} step(s), ${event.patches} patches of ${event.patch.join(' x ')} a step, ` +
        `${event.parameters.toLocaleString('en')} weights, device ${event.device}, into ${event.output}${resumed}`
      );
    }
    case 'epoch': {
      const parts: string[] = [];
      if (event.loss !== undefined) parts.push(`loss ${shortNumber(event.loss)}`);
      if (event.metrics) parts.push(`validation ${metricsText(event.metrics)}${event.best ? ' (best)' : ''}`);
      if (event.patchesPerSecond !== undefined)
        parts.push(`${shortNumber(event.patchesPerSecond)} patches/s`);
      if (tally.secondsLeft) parts.push(`about ${showWholeSeconds(tally.secondsLeft)} left`);
      return `[${event.epoch}/${tally.start?.epochs ?? '?'}] ${parts.join(', ')}`;
    }
    case 'caseFailed':
      return `${visible(event.case)}: skipped: ${event.message}`;
    case 'warning':
      return `Warning: ${event.case === undefined ? '' : `${visible(event.case)}: `}${event.message}`;
    default:
      return undefined;
  }
}

function display(tally: TrainTally, width: number, paint: Paint): string[] {
  const { start, total, step } = tally;
  if (!start) return ['Preparing the first batch…'];
  const left = tally.secondsLeft === undefined ? '' : `, ${showWholeSeconds(tally.secondsLeft)} left`;
  const speed = tally.seconds > 0 ? `, ${shortNumber(tally.patches / tally.seconds)} patches/s` : '';
  const texts = `epoch ${tally.epoch}/${start.epochs}, step ${step}/${total}${left}${speed}`;
  const filled = bar(step, total, width - texts.length - 1);
  const first = `${filled && `${paint('green', filled)} `}${texts}`;
  const loss = tally.loss === undefined ? '' : `loss ${shortNumber(tally.loss)}`;
  const idle = tally.seconds > 0 ? `device waited ${Math.round((100 * tally.waited) / tally.seconds)} %` : '';
  const epoch = tally.bestEpoch === undefined ? '' : ` (best after epoch ${tally.bestEpoch})`;
  const best = tally.last && `${tally.last}${epoch}`;
  const second = [tally.validating, loss, best, idle].filter(Boolean).join('   ');
  return [first, paint('dim', second)].map((line) => clip(line, width));
}
