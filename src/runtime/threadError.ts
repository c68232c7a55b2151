import { DataError, ModelError, messageOf, OptionError, VoxError } from '../errors.js';

/** An error as plain data. Structured clone, by which messages cross threads, drops an error's class. */
export interface ErrorData {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** The code of a system's error, e.g. `EIO`. */
  readonly code?: string;
  readonly cause?: ErrorData;
}

/** The classes of expected errors by name. Names also match errors of a second copy of this package. */
const expected = new Map([VoxError, OptionError, DataError, ModelError].map((kind) => [kind.name, kind]));

/** Turns anything that was thrown into plain data. */
export function toErrorData(error: unknown): ErrorData {
  if (!(error instanceof Error)) return { name: 'Error', message: messageOf(error) };
  const { name, message, stack, cause } = error;
  const { code } = error as NodeJS.ErrnoException;
  return {
    name,
    message,
    stack,
    ...(typeof code === 'string' && { code }),
    ...(cause !== undefined && { cause: toErrorData(cause) }),
  };
}

/**
 * The error of another thread. A VoxError keeps its class; any other error becomes a plain Error that keeps
 * its name. Its `cause` is the error as it was thrown there, with the stack of that thread.
 */
export function fromErrorData(data: ErrorData): Error {
  const cause = thrownThere(data);
  const Kind = expected.get(data.name);
  if (Kind) return new Kind(data.message, { cause });
  return Object.assign(new Error(data.message, { cause }), { name: data.name });
}

function thrownThere({ name, message, stack, code, cause }: ErrorData): Error {
  const error = new Error(message, cause && { cause: thrownThere(cause) });
  return Object.assign(error, { name, stack, ...(code && { code }) });
}
