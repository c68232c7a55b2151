/**
 * The file that Piscina loads in its threads. Piscina first calls `require` on it. If it were an ES module,
 * Node 20.19 to 22 would load it by `require(esm)`, and a thread that is ended during that aborts the whole
 * process ("v8::Module::IsGraphAsync must be used on an instantiated module"). An `import()` may be cut
 * short.
 */
import type { TaskAnswer, TaskMessage } from './runTask.js' with { 'resolution-mode': 'import' };

/** Loading starts with the thread, before its first task. */
const loading = import('./runTask.js');

async function work(message: TaskMessage): Promise<TaskAnswer> {
  const { runTask } = await loading;
  return runTask(message);
}

export = work;
