import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError } from '#src/errors.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { voxstream } from '../e2e/harness.js';

/** What is wrong with a pipeline with this option. */
function faultOf(set: string): string {
  const text = '{ source: { glob: { image: x } }, steps: [load, { spatialPad: { spatialSize: 8 } }] }';
  try {
    parsePipeline(text, 'p.yaml', { set: [set] });
  } catch (error) {
    return (error as Error).message;
  }
  return 'no fault';
}

test('a step timeout that timers cannot wait for is refused', () => {
  assert.match(
    faultOf('runtime.stepTimeout=2147484'),
    /must be at most 2147483, but it is 2147484 \(Seconds/,
  );
  assert.match(faultOf('runtime.stepTimeout=0'), /must be more than 0/);
  assert.is(faultOf('runtime.stepTimeout=2147483'), 'no fault');
});

test('counts that no machine has are refused', () => {
  assert.match(faultOf('runtime.workers=1e9'), /at most 1024, but it is 1000000000/);
  assert.match(faultOf('runtime.inFlight=1e9'), /at most 1024/);
  assert.match(faultOf('spatialPad.spatialSize=1e9'), /at most 65536/);
  assert.is(faultOf('runtime.workers=64'), 'no fault');
});

test('memory in bytes is refused with what was probably meant', async () => {
  assert.match(faultOf('runtime.memory=4'), /at least 32\.0 MiB \(did you mean 4GiB\?\), but it is /);
  assert.match(faultOf('runtime.memory=1MiB'), /at least 32\.0 MiB, but it is /);
  assert.is(faultOf('runtime.memory=32MiB'), 'no fault');
  const { code, stderr } = await voxstream(['validate', 'pipelines/spleen-inference.yaml', '--memory', '4']);
  assert.is(code, 1);
  assert.match(stderr, /did you mean 4GiB\?/);
});

test('settings of a runtime are refused out of their ranges', () => {
  for (const settings of [
    { workers: 1e9 },
    { workers: 0 },
    { stepTimeout: 3e6 },
    { stepTimeout: Number.NaN },
  ]) {
    assert.throws(
      () => createRuntime(settings),
      (error: Error) => error instanceof OptionError && /must be .*, but it is/.test(error.message),
    );
  }
});

test.run();
