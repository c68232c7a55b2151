import { from, fromEvent, lastValueFrom, merge, mergeMap, Observable, takeUntil, throwError } from 'rxjs';
import { messageOf } from '../errors.js';
import { removePartials } from '../formats/files.js';
import { maskError, maskEvent, maskOf } from '../mask.js';
import { valuesToJson } from '../metrics/valuesAsJson.js';
import { CaseStreams } from './caseStream.js';
import { closeRun } from './closeRun.js';
import type { RunEvent } from './events.js';
import { type OpenRun, openRun } from './openRun.js';
import { type Finished, sortOut } from './resume.js';
import type { RunOptions } from './runOptions.js';
import type { Pipeline } from './types.js';

type Tell = (event: RunEvent) => void;

/**
 * Streams the cases of a pipeline's source through its steps into its sinks, as an observable of the run's
 * events.
 *
 * The observable is cold: each subscription starts a run. It completes after the event `end`. Unsubscribing
 * ends the run: no more cases start, and open cases are abandoned. Shortly afterwards the run's files are
 * written and its folder is unlocked. Aborting `signal` does the same, and `end` is still emitted.
 *
 * At most `inFlight` cases are open at once, each as an inner stream, and their estimated memory stays within
 * the budget, so memory does not grow with the dataset. A failed case is recorded and the run continues.
 * Besides the sinks' output, the output folder gets `failures.csv`, `timings.csv` and `run.json`.
 *
 * @throws VoxError, as the stream's error, before the first case is read, if the dataset, a model or the
 * output folder cannot be used. Later only if the lock on the output folder is lost.
 */
export function stream(pipeline: Pipeline, options: Omit<RunOptions, 'onEvent'> = {}): Observable<RunEvent> {
  return new Observable((subscriber) => {
    const unsubscribed = new AbortController();
    const signals = [unsubscribed.signal, ...(options.signal ? [options.signal] : [])];
    const mask = maskOf(pipeline);
    let ended = false;
    const tell: Tell = (event) => {
      // A thread may still work on a case that was abandoned, and report its windows.
      if (ended) return;
      ended = event.event === 'end';
      subscriber.next(maskEvent(mask, event));
    };
    run(pipeline, { ...options, signal: AbortSignal.any(signals) }, tell).then(
      () => subscriber.complete(),
      (error) => subscriber.error(maskError(mask, error)),
    );
    return () => unsubscribed.abort();
  });
}

async function run(
  pipeline: Pipeline,
  options: RunOptions & { readonly signal: AbortSignal },
  tell: Tell,
): Promise<void> {
  const { signal, resume } = options;
  const open = await openRun(pipeline, options, tell);
  try {
    tell(startOf(open));
    const earlier = resume ? await open.journal.read() : new Map();
    if (resume) tell({ event: 'preparing', what: 'checking the finished cases' });
    const { todo, finished } = await sortOut(open.items, earlier, open);
    await restore(open, finished, tell);
    const cases = new CaseStreams(open, tell);
    const stopped = fromEvent(signal, 'abort');
    const lost = fromEvent(open.folder.lost, 'abort').pipe(
      mergeMap(() => throwError(() => open.folder.lost.reason)),
    );
    if (!signal.aborted) {
      await lastValueFrom(
        from(todo).pipe(
          // Only a resumed run gives a reason for each case that it runs again.
          mergeMap((one) => cases.stream(resume ? one : { ...one, reason: undefined }), open.inFlight),
          takeUntil(merge(stopped, lost)),
        ),
        { defaultValue: undefined },
      );
    }
    open.folder.lost.throwIfAborted();
    await cases.settled();
    if (signal.aborted) await open.runtime.close();
    await end(open, finished.length, signal.aborted, tell);
  } finally {
    await open.close();
    if (signal.aborted) await removePartials(open.folders);
  }
}

function startOf({ pipeline, folder, items, inFlight, memory, runtime, stages, sinks }: OpenRun): RunEvent {
  return {
    event: 'start',
    pipeline: pipeline.name,
    output: folder.place,
    cases: items.length,
    inFlight,
    memory,
    device: runtime.device,
    deviceNote: runtime.deviceNote,
    steps: [...stages, ...sinks].map(({ id }) => id),
  };
}

/** Restores the results of cases that an earlier run finished. */
async function restore(
  { sinks, records, journal, folder, runFiles }: OpenRun,
  finished: readonly Finished[],
  tell: Tell,
): Promise<void> {
  await folder.bring([
    ...sinks.flatMap(({ sink }) => sink.reads ?? []),
    ...finished.flatMap(({ subject }) => sinks.flatMap(({ sink }) => sink.kept?.(subject) ?? [])),
  ]);
  for (const { subject, index } of finished) {
    for (const { sink } of sinks) sink.restore?.(subject);
    records.done(subject);
    const metrics = valuesToJson(records.nameMetrics(subject.metrics));
    tell({ event: 'caseSkipped', case: subject.id, index, reason: 'finished by an earlier run', metrics });
  }
  await journal.start(finished.map(({ entry }) => entry));
  await folder.sendRest(runFiles);
}

/** Closes sinks and records, and reports the outcome of the run. */
async function end(open: OpenRun, skipped: number, interrupted: boolean, tell: Tell): Promise<void> {
  const { runtime, records, startedAt } = open;
  const seconds = (performance.now() - startedAt) / 1000;
  const lanes = Object.fromEntries(
    Object.entries(runtime.lanes).map(([name, lane]) => [name, lane.busySeconds / lane.width / seconds]),
  );
  const done = records.finished().length - skipped;
  const counts = { done, failed: records.failures().length, skipped, interrupted };
  const problems = await closeRun(open, { seconds, lanes, ...counts });
  await open.folder.sendRest(open.runFiles).catch((error) => problems.push(messageOf(error)));
  for (const message of problems) tell({ event: 'warning', message });
  tell({ event: 'end', ...counts, seconds, lanes, columns: records.columns(), problems });
}
