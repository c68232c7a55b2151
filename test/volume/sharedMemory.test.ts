import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { countShared } from '#src/volume/sharedMemory.js';
import { allocate } from '#src/volume/volume.js';

test('shared memory that nobody holds any more is given back without waiting for other garbage', () => {
  const first = new WeakRef(makeAndForget());
  // A reference is kept until the job that made it ends; this one began before.
  return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    countShared(64 << 20);
    assert.is(first.deref(), undefined);
  });
});

function makeAndForget() {
  return allocate('uint8', 1 << 20);
}

test.run();
