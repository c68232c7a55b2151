import { showBytes } from '../errors.js';
import { showWholeSeconds } from '../report/text.js';
import { note } from './clip.js';
import { printError } from './print.js';

/** Shows the progress of a download: a line that is updated on a terminal, else a line every ten seconds. */
export function downloadProgress(file: string, stated: number | undefined) {
  const live = process.stderr.isTTY;
  const start = performance.now();
  let first: number | undefined;
  let next = 0;
  return (done: number, total = stated) => {
    const seconds = (performance.now() - start) / 1000;
    first ??= done;
    if (seconds < next && done !== total) return;
    next = seconds + (live ? 0.2 : 10);
    const speed = (done - first) / Math.max(seconds, 0.01);
    const parts = [
      total
        ? `${showBytes(done)} of ${showBytes(total)} (${Math.floor((100 * done) / total)} %)`
        : showBytes(done),
      ...(speed > 0 ? [`${showBytes(Math.round(speed))}/s`] : []),
      ...(total && speed > 0 ? [`${showWholeSeconds((total - done) / speed)} left`] : []),
    ];
    const line = `${file}: ${parts.join(', ')}`;
    if (live) note(line);
    else printError(`${line}\n`);
  };
}
