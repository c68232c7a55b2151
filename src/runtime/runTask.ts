import { fileURLToPath } from 'node:url';
import { DataError, listNames, messageOf, VoxError } from '../errors.js';
import { collectGarbage, countShared, voxelBytes } from './garbage.js';
import { type ErrorData, toErrorData } from './threadError.js';

/** A task for a worker thread. */
export interface TaskMessage {
  readonly module: string;
  readonly name: string;
  readonly args: readonly unknown[];
  /** See `RuntimeSettings`. */
  readonly collectGarbage: boolean;
}

/** A worker thread's answer. */
export type TaskAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: ErrorData };

/** Runs one task in a worker thread. */
export async function runTask(message: TaskMessage): Promise<TaskAnswer> {
  const { module, name, args } = message;
  if (message.collectGarbage) collectGarbage();
  try {
    const run = await findTask(module, name);
    const value = await run(...args);
    countShared(voxelBytes([value]));
    return { ok: true, value };
  } catch (error) {
    return { ok: false, error: toErrorData(isOutOfMemory(error) ? outOfMemory(name, error) : error) };
  } finally {
    countShared(voxelBytes(args));
  }
}

/** A task whose arguments are those that its caller's types asked for. */
type RunnableTask = (...args: readonly unknown[]) => unknown;

/** The function that a module exports under this name. Node caches modules. */
async function findTask(module: string, name: string): Promise<RunnableTask> {
  const file = module.startsWith('file:') ? fileURLToPath(module) : module;
  let exported: Record<string, unknown>;
  try {
    exported = await import(module);
  } catch (error) {
    throw new VoxError(`The module ${file} of the task "${name}" cannot be loaded: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const found = exported[name];
  if (typeof found === 'function') return found as RunnableTask;
  throw new VoxError(
    `The module ${file} of the task "${name}" must export a function of that name, but its exports are ` +
      `${listNames(Object.keys(exported).sort())}. Export the function under its own name.`,
  );
}

function isOutOfMemory(error: unknown): error is RangeError {
  return (
    error instanceof RangeError &&
    /allocation failed|invalid (array buffer|typed array) length/i.test(error.message)
  );
}

function outOfMemory(name: string, error: RangeError): DataError {
  return new DataError(
    `There is not enough memory for "${name}" (${error.message}). Run fewer cases at once (--in-flight 1), ` +
      'or crop the image.',
    { cause: error },
  );
}
