import { catchError, concatMap, type OperatorFunction, tap } from 'rxjs';
import type { Case } from '../case.js';
import { messageOf, VoxError } from '../errors.js';
import type { Sink } from '../sinks/define.js';
import type { Failure, RunEvent } from './events.js';

/** What went wrong in which step. */
export class StepFailure extends Error {
  constructor(
    readonly step: string,
    readonly reason: unknown,
  ) {
    super(messageOf(reason));
  }
}

/** A step whose errors say which step they are from, and whose end is told. */
export function named(
  id: string,
  operator: OperatorFunction<Case, Case>,
  onEvent: (event: RunEvent) => void,
): OperatorFunction<Case, Case> {
  return (source) =>
    source.pipe(
      operator,
      tap((subject) =>
        onEvent({ event: 'step', case: subject.id, step: id, seconds: subject.timings[id] ?? 0 }),
      ),
      catchError((error: unknown) => {
        throw error instanceof StepFailure ? error : new StepFailure(id, error);
      }),
    );
}

/** The step that writes a case to a sink. */
export function writeTo(id: string, sink: Sink): OperatorFunction<Case, Case> {
  return concatMap(async (subject) => {
    const start = performance.now();
    await sink.write(subject);
    return { ...subject, timings: { ...subject.timings, [id]: (performance.now() - start) / 1000 } };
  });
}

/** The row of a case that failed; what is no sentence of ours is introduced as one. */
export function failureOf(id: string, error: unknown): Failure {
  const { step, reason } = error instanceof StepFailure ? error : { step: 'run', reason: error };
  if (reason instanceof VoxError) return { case: id, step, message: reason.message };
  if (process.env.VOXSTREAM_DEBUG) console.error(reason);
  const message = `Unexpected: ${messageOf(reason)} (set VOXSTREAM_DEBUG=1 to see where).`;
  return { case: id, step, message };
}
