import { runInNewContext } from 'node:vm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { collectGarbage, countShared, voxelBytes } from '#src/runtime/garbage.js';
import { allocate } from '#src/volume/volume.js';

const idle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Allocates voxels and keeps only a weak reference to them. */
function allocateWeakly() {
  return new WeakRef(allocate('uint8', 1 << 20));
}

test('nothing is collected, and V8 keeps its flags, unless it was asked for', async () => {
  const first = allocateWeakly();
  await idle();
  countShared(256 << 20);
  await idle();
  assert.ok(first.deref());
  assert.is(runInNewContext('typeof gc'), 'undefined');
});

test('unused voxels are freed once enough bytes were counted', async () => {
  collectGarbage();
  const first = allocateWeakly();
  // The target of a new WeakRef is kept alive until the current job ends.
  await idle();
  countShared(16 << 20);
  await idle();
  assert.ok(first.deref(), 'too early');
  await idle();
  countShared(16 << 20);
  await idle();
  assert.is(first.deref(), undefined);
});

test('a thread that is never idle collects after many bytes', async () => {
  const first = allocateWeakly();
  await idle();
  countShared(256 << 20);
  assert.is(first.deref(), undefined);
});

test('voxelBytes counts arrays and volumes', () => {
  const data = allocate('int16', 5);
  assert.is(voxelBytes([data, { data }, undefined, null, 3, { data: 'none' }]), 20);
});

test.run();
