import { visible } from '../harmless.js';
import type { RunEvent } from '../pipeline/events.js';
import { showWholeSeconds } from '../report/text.js';
import type { Runtime } from '../runtime/runtime.js';
import { clip } from './clip.js';
import { GroupedWarnings } from './groupedWarnings.js';
import { liveFooter, type Output } from './liveFooter.js';
import type { Progress } from './progress.js';
import { lineOf, type OpenCase, Tally } from './tally.js';
import { bar, type Paint, type Style, shortNumber } from './terminal.js';

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
function stepText({ step, windows }: OpenCase): string {
  if (!windows) return step;
  const { done, all, at, first } = windows;
  const perWindow = done > first.done ? (at - first.at) / (done - first.done) : undefined;
  const left = perWindow && done < all ? `, ${showWholeSeconds(perWindow * (all - done))} left` : '';
  return `${step}: ${done} of ${all} windows${left}`;
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
