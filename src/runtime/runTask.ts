import { messageOf, VoxError } from '../errors.js';
import { countShared, voxelBytes } from '../volume/sharedMemory.js';
import type { TaskAnswer, TaskMessage } from './runtime.js';
import { tasks } from './tasks.js';

/** Runs one task in a worker thread. Errors cross as data, for an Error's class is lost on the way. */
export async function runTask({ name, args }: TaskMessage): Promise<TaskAnswer> {
  try {
    const task = (tasks as Record<string, (...args: never[]) => unknown>)[name];
    const value = await task(...(args as never[]));
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
