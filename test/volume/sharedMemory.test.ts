import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { countShared, voxelBytes } from '#src/volume/sharedMemory.js';
import { allocate } from '#src/volume/volume.js';

const atLeisure = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Makes voxels, of which nothing is kept. */
function makeAndForget() {
  return new WeakRef(allocate('uint8', 1 << 20));
}

test('voxels that nobody holds any more are given back once enough have come', async () => {
  const first = makeAndForget();
  // What a WeakRef was made of is kept until the job that made it ends.
  await atLeisure();
  countShared(16 << 20);
  await atLeisure();
  assert.ok(first.deref(), 'too early');
  await atLeisure();
  countShared(16 << 20);
  await atLeisure();
  assert.is(first.deref(), undefined);
});

test('a job that comes to no end collects when very much has come', async () => {
  const first = makeAndForget();
  await atLeisure();
  countShared(256 << 20);
  assert.is(first.deref(), undefined);
});

test('voxelBytes counts arrays and volumes', () => {
  const data = allocate('int16', 5);
  assert.is(voxelBytes([data, { data }, undefined, null, 3, { data: 'none' }]), 20);
});

test.run();
