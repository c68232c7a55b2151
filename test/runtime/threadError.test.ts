import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError, ModelError, OptionError, VoxError } from '#src/errors.js';
import { failureOf, StepFailure } from '#src/pipeline/steps.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { task } from '#src/runtime/task.js';
import { root, temporaryFolder } from '../e2e/harness.js';

const runtime = createRuntime({ device: 'cpu', workers: 1 });
test.after(() => runtime.close());

const file = join(temporaryFolder(), 'failing.mjs');
writeFileSync(
  file,
  `import * as errors from ${JSON.stringify(pathToFileURL(join(root, 'dist/errors.js')).href)};
  export function throwExpected(kind) {
    throw new errors[kind]('The file is empty.', { cause: new Error('read 0 bytes') });
  }
  export function throwUnexpected() {
    return undefined.data;
  }
  export function throwText() {
    throw 'text';
  }
  export function allocateTooMuch() {
    return new Float32Array(2 ** 60);
  }`,
);
const module = pathToFileURL(file);

async function faultOf(name: string, ...args: string[]): Promise<Error> {
  return runtime.run(task<(...args: string[]) => void>(module, name), ...args).then(
    () => assert.unreachable('the task was done'),
    (error) => error,
  );
}

test('expected errors keep their class, and the stack of their thread as the cause', async () => {
  for (const Kind of [VoxError, OptionError, DataError, ModelError]) {
    const error = await faultOf('throwExpected', Kind.name);
    assert.is(error.constructor, Kind);
    assert.is(error.message, 'The file is empty.');
    const there = error.cause as Error;
    assert.match(there.stack ?? '', /at throwExpected \(.*failing\.mjs:3/);
    assert.is((there.cause as Error).message, 'read 0 bytes');
    assert.is(failureOf('ct_1', new StepFailure('load', error)).message, 'The file is empty.');
  }
});

test('an unexpected error is not a VoxError, and is recorded as unexpected', async () => {
  const error = await faultOf('throwUnexpected');
  assert.not.instance(error, VoxError);
  assert.is(error.name, 'TypeError');
  assert.match((error.cause as Error).stack ?? '', /^TypeError: .*\n +at throwUnexpected \(.*failing\.mjs:6/);
  const { message } = failureOf('ct_1', new StepFailure('load', error));
  assert.match(message, /^Unexpected: .*Cannot read properties of undefined/);
  assert.is((await faultOf('throwText')).message, 'text');
});

test('a failed allocation says what to do', async () => {
  const error = await faultOf('allocateTooMuch');
  assert.instance(error, DataError);
  assert.match(error.message, /^There is not enough memory for "allocateTooMuch" .*Run fewer cases at once/);
  assert.is((error.cause as Error).name, 'DataError');
  assert.is(((error.cause as Error).cause as Error).name, 'RangeError');
});

test.run();
