import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError, VoxError } from '#src/errors.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { type Task, task } from '#src/runtime/task.js';
import { root, temporaryFolder } from '../e2e/harness.js';

const runtime = createRuntime({ device: 'cpu', workers: 1 });
test.after(() => runtime.close());

/** A module of another package. */
function foreignModule(text: string): URL {
  const file = join(temporaryFolder(), 'kernel.mjs');
  writeFileSync(file, text);
  return pathToFileURL(file);
}

async function faultOf(unfit: Task): Promise<Error> {
  return runtime.run(unfit).then(
    () => assert.unreachable('the task was done'),
    (error) => error,
  );
}

test('a task calls a function of any module in a worker thread', async () => {
  const module = foreignModule(
    `import { isMainThread } from 'node:worker_threads';
    export const twice = async (n) => [2 * n, isMainThread];`,
  );
  const twice = task<(n: number) => Promise<[number, boolean]>>(module, 'twice');
  assert.equal(await runtime.run(twice, 21), [42, false]);
});

test('a module is loaded once per thread, whatever its tasks', async () => {
  const module = foreignModule(
    'let calls = 0; export const first = () => ++calls; export const second = () => ++calls;',
  );
  const alone = createRuntime({ device: 'cpu', workers: 1 });
  assert.is(await alone.run(task<() => number>(module, 'first')), 1);
  assert.is(await alone.run(task<() => number>(module, 'second')), 2);
  await alone.close();
});

test('a module that cannot be loaded is named with its fault', async () => {
  const broken = await faultOf(task(foreignModule('export const twice = ;'), 'twice'));
  assert.instance(broken, VoxError);
  assert.match(
    broken.message,
    /^The module .*kernel\.mjs of the task "twice" cannot be loaded: Unexpected token/,
  );
  const missing = await faultOf(task(new URL('missing.js', import.meta.url), 'twice'));
  assert.match(
    missing.message,
    /^The module .*missing\.js of the task "twice" cannot be loaded: Cannot find module/,
  );
});

test('a name that the module does not export as a function is answered with its exports', async () => {
  const module = foreignModule('export const smooth = 1; export const blur = () => 2;');
  for (const name of ['twice', 'smooth']) {
    const fault = await faultOf(task(module, name));
    assert.instance(fault, VoxError);
    assert.match(fault.message, new RegExp(`task "${name}" must export a function of that name`));
    assert.match(fault.message, /its exports are blur and smooth\./);
  }
});

test('a function without a name is refused', () => {
  assert.throws(
    () =>
      task(
        new URL('file:///kernel.js'),
        (
          () => () =>
            1
        )(),
      ),
    (error: Error) => error instanceof OptionError && /has no name/.test(error.message),
  );
});

test('every task in src names a function that its module exports', async () => {
  const src = join(root, 'src');
  let tasks = 0;
  for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const text = readFileSync(join(src, file), 'utf8').replace(/^ *\*.*$/gm, '');
    const built = pathToFileURL(join(root, 'dist', file));
    for (const [, path, given] of text.matchAll(
      /\btask(?:<[^;]*?>)?\(\s*new URL\('(.+?)', import\.meta\.url\),\s*'?(\w+)/g,
    )) {
      const name = new RegExp(`(\\w+) as ${given}\\b`).exec(text)?.[1] ?? given;
      const module = await import(new URL(path, built).href);
      assert.type(module[name], 'function', `${file}: ${path} exports ${name}`);
      tasks++;
    }
  }
  assert.ok(tasks > 30, `only ${tasks} tasks were found`);
});

test.run();
