import { fileURLToPath } from 'node:url';
import { listNames, messageOf, VoxError } from '../errors.js';
import { countShared, voxelBytes } from '../volume/sharedMemory.js';
import type { TaskAnswer, TaskMessage } from './runtime.js';
import type { TaskFunction } from './task.js';

/** Runs one task in a worker thread. Errors cross as data, for an Error's class is lost on the way. */
export async function runTask({ module, name, args }: TaskMessage): Promise<TaskAnswer> {
  try {
    const run = await findTask(module, name);
    const value = await run(...(args as never[]));
    countShared(voxelBytes([value]));
    return { ok: true, value };
  } catch (error) {
    if (
      error instanceof RangeError &&
      /allocation failed|invalid (array buffer|typed array) length/i.test(error.message)
    ) {
      const message = `There is not enough memory for "${name}" (${error.message}). Run fewer cases at once (--in-flight 1), or crop the image.`;
      return { ok: false, expected: true, message };
    }
    const expected = error instanceof VoxError;
    if (!expected && process.env.VOXSTREAM_DEBUG) console.error(error);
    return { ok: false, expected, message: messageOf(error) };
  } finally {
    countShared(voxelBytes(args));
  }
}

/** The function that a module exports under this name. Node keeps loaded modules. */
async function findTask(module: string, name: string): Promise<TaskFunction> {
  const where = module.startsWith('file:') ? fileURLToPath(module) : module;
  let exported: Record<string, unknown>;
  try {
    exported = await import(module);
  } catch (error) {
    throw new VoxError(`The module ${where} of the task "${name}" cannot be loaded: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const found = exported[name];
  if (typeof found === 'function') return found as TaskFunction;
  throw new VoxError(
    `The module ${where} exports no function "${name}" for the task of that name; its exports are ` +
      `${listNames(Object.keys(exported).sort())}. Export the function under its own name.`,
  );
}

/** Loads modules ahead of their tasks; one that cannot be loaded fails with its task. */
export async function preload(modules: readonly string[]): Promise<void> {
  await Promise.allSettled(modules.map((module) => import(module)));
}
