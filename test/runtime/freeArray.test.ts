import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { freeArray } from '#src/runtime/freeArray.js';

const bytes = 64 << 20;

test('freeArray() frees the memory of an array before garbage is collected', () => {
  const before = process.memoryUsage().arrayBuffers;
  const array = new Float32Array(bytes / 4).fill(1);
  assert.ok(process.memoryUsage().arrayBuffers > before + bytes / 2);
  freeArray(array);
  assert.is(array.length, 0);
  assert.ok(process.memoryUsage().arrayBuffers < before + bytes / 2);
});

test('freeArray() leaves an array that is freed already as it is', () => {
  const array = new Float32Array(1);
  freeArray(array);
  freeArray(array);
  assert.is(array.length, 0);
});

test.run();
