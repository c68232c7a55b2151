import type { RunEvent } from '../pipeline/events.js';

/** What happens to a case on a queue, besides the events of a run. */
export type QueueEvent =
  /** A case failed for a reason that may pass. It is tried again. */
  | { readonly event: 'caseDelayed'; readonly case: string; readonly step: string; readonly message: string }
  /** An open case was abandoned and given back, e.g. because the worker was stopped. */
  | { readonly event: 'caseGivenBack'; readonly case: string };

export type ObservedEvent = RunEvent | QueueEvent;

/** The run that an event belongs to. */
export interface ObservedRun {
  readonly name: string;
  /** The trace that it belongs to (W3C traceparent). */
  readonly traceparent?: string;
}

/** Follows the events of runs, for those who operate them. */
export interface Observer {
  /** @param run Undefined for an event that belongs to no run. */
  onEvent(event: ObservedEvent, run?: ObservedRun): void;
  /** Delivers what is left, and ends. */
  close(): Promise<void>;
}
