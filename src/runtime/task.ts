import { OptionError } from '../errors.js';

/**
 * A function that a worker thread can call: its arguments and its result cross threads by structured clone.
 */
export type TaskFunction = (...args: never[]) => unknown;

/** A handle on a function that a module exports, for `Runtime.run`. */
export interface Task<F extends TaskFunction = TaskFunction> {
  /** The module's URL. */
  readonly module: string;
  /** The name of the export; also the task's name in messages. */
  readonly name: string;
  /**
   * True for a function that calls ONNX Runtime: ending its thread meanwhile would abort the whole process.
   */
  readonly uninterruptible?: boolean;
  /** Never set: it carries the function's type. */
  readonly signature?: F;
}

/**
 * Makes a task for a function of a module, which may belong to any package.
 *
 * ```ts
 * const reorientTask = task(new URL('../volume/reorient.js', import.meta.url), reorient);
 * const reoriented = await runtime.run(reorientTask, volume, axcodes);
 * ```
 *
 * Pass the export's name instead of the function if this thread should not load the module:
 * `task<typeof import('./draw.js').drawCase>(new URL('./draw.js', import.meta.url), 'drawCase')`.
 *
 * @param module The module that exports the function.
 * @param exported The function, exported under its own name, or the export's name.
 * @throws OptionError for a function without a name.
 */
export function task<F extends TaskFunction>(module: URL, exported: F | string): Task<F> {
  const name = typeof exported === 'string' ? exported : exported.name;
  if (name === '') {
    throw new OptionError(
      `The function for a task of ${module.href} has no name. Export it as a named function, or give its ` +
        "export's name.",
    );
  }
  return { module: module.href, name };
}
