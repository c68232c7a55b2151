import { catchError, type OperatorFunction, tap } from 'rxjs';
import type { Case } from '../case.js';
import { memoryFault, messageOf, VoxError } from '../errors.js';
import type { StepContext } from '../operators/define.js';
import { mapCase } from '../operators/map.js';
import type { Sink } from '../sinks/define.js';
import type { Failure, RunEvent } from './events.js';

/** The error of a step, with the step's id. */
export class StepFailure extends Error {
  constructor(
    readonly step: string,
    readonly reason: unknown,
  ) {
    super(messageOf(reason));
  }
}

/** A step that adds its id to its errors and reports when it ends. */
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

/** The step that writes a case to a sink, on the io lane. */
export function writeTo(context: StepContext, sink: Sink): OperatorFunction<Case, Case> {
  return mapCase(context, 'io', async (subject) => {
    await sink.write(subject);
    return subject;
  });
}

/** The failures row for an error of a case. Errors that are not ours are introduced as unexpected. */
export function failureOf(id: string, error: unknown): Failure {
  const { step, reason } = error instanceof StepFailure ? error : { step: 'run', reason: error };
  const expected = reason instanceof VoxError ? reason.message : memoryFault(reason);
  if (expected !== undefined) return { case: id, step, message: expected };
  if (process.env.VOXSTREAM_DEBUG) console.error(reason);
  const message = `Unexpected: ${messageOf(reason)} (set VOXSTREAM_DEBUG=1 to see where).`;
  return { case: id, step, message };
}
