import { visible } from '../harmless.js';
import type { RunEvent } from '../pipeline/events.js';
import { showWholeSeconds } from '../report/text.js';
import type { Runtime } from '../runtime/runtime.js';
import { clip } from './clip.js';
import { GroupedWarnings } from './groupedWarnings.js';
import { liveFooter, type Output } from './liveFooter.js';
import type { Progress } from './progress.js';
import { lineOf, type OpenCase, Tally } from './tally.js';
import { bar, type Paint, type Style } from './terminal.js';

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

/** The step of an open case; with a model, its windows and the time that they take from now. */
function stepText({ step, windows }: OpenCase, short: boolean): string {
  if (!windows) return step;
  const { done, all, at, first } = windows;
  const perWindow = done > first.done ? (at - first.at) / (done - first.done) : undefined;
  const seconds = perWindow && done < all ? Math.max(1, perWindow * (all - done)) : undefined;
  const left = seconds === undefined ? '' : `, ${showWholeSeconds(seconds)} left`;
  return short ? `${done}/${all}${left}` : `${step}: ${done} of ${all} windows${left}`;
}

/** Room for the name of a case. */
const leastName = 12;

/** A line for each open case. The name comes last: it may be long, and the progress must not be clipped. */
function caseLines(open: ReadonlyMap<string, OpenCase>, width: number): string[] {
  const shown = [...open].slice(0, mostOpen);
  const widthOf = (texts: readonly string[]) => Math.max(0, ...texts.map((text) => text.length));
  const whole = shown.map(([, one]) => stepText(one, false));
  const room = width - leastName - 4;
  const short = shown.map(([, one]) => clip(stepText(one, true), room));
  const texts = widthOf(whole) > room ? short : whole;
  const lines = shown.map(([id], i) => `  ${texts[i].padEnd(widthOf(texts))}  ${visible(id)}`);
  return open.size > mostOpen ? [...lines, `  and ${open.size - mostOpen} more`] : lines;
}

/** The most open cases that are listed. */
const mostOpen = 8;

function display(tally: Tally, runtime: Pick<Runtime, 'lanes'>, width: number, paint: Paint): string[] {
  const { preparing } = tally;
  if (preparing !== undefined) {
    const text = `${preparing[0].toUpperCase()}${preparing.slice(1)}… ${showWholeSeconds(tally.seconds)}`;
    return [clip(text, width)];
  }
  const ended = tally.skipped + tally.ended;
  const left = tally.secondsLeft === undefined ? '' : `, ${showWholeSeconds(tally.secondsLeft)} left`;
  const speed = tally.speed === undefined ? '' : `, ${tally.speed}`;
  const failed = tally.failed > 0 ? ` ${tally.failed} failed` : '';
  const count = `${ended}/${tally.total}`;
  // The speed comes last: where there is no room, it is clipped.
  const times = ` ${showWholeSeconds(tally.seconds)}${left}${speed}`;
  const filled = bar(
    tally.skipped + tally.progress,
    tally.total,
    width - count.length - failed.length - times.length - 1,
  );
  const first = `${filled && `${paint('green', filled)} `}${count}${failed && paint('red', failed)}${times}`;
  const lanes = Object.entries(runtime.lanes).map(
    ([name, lane]) => `${name} ${'●'.repeat(lane.active)}${'○'.repeat(lane.width - lane.active)}`,
  );
  const second = [lanes.join('  '), slowestStep(tally)].filter(Boolean).join('   ');
  return [first, paint('dim', second), ...caseLines(tally.open, width)].map((line) => clip(line, width));
}

function slowestStep({ stepSeconds, ended }: Tally): string {
  const [slowest] = [...stepSeconds].sort((a, b) => b[1] - a[1]);
  if (!slowest || ended === 0) return '';
  // The name comes last: fused steps have long ones.
  return `slowest: ${(slowest[1] / ended).toFixed(1)} s per case, ${slowest[0]}`;
}
