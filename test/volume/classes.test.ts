import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { argmax, sigmoid, softmax, threshold } from '#src/volume/classes.js';
import { makeVolume, voxelTypeOf } from '#src/volume/volume.js';

const logits = (values: number[], channels: number) =>
  makeVolume({
    data: Float32Array.from(values),
    size: [values.length / channels, 1, 1],
    channels,
    kind: 'logits',
  });
const near = (found: ArrayLike<number>, expected: number[]) =>
  expected.forEach((value, i) => {
    assert.ok(Math.abs(found[i] - value) < 1e-6, `${Array.from(found)} but expected ${expected}`);
  });

test('softmax turns the channels of each voxel into shares of one', () => {
  // Voxel 0 has the logits 0 and ln 3, voxel 1 twice the same.
  const result = softmax(logits([0, 2, Math.log(3), 2], 2));
  near(result.data, [0.25, 0.5, 0.75, 0.5]);
  assert.is(result.kind, 'probability');
  assert.is(result.channels, 2);
});

test('softmax bears logits that overflow an exponential', () => {
  near(softmax(logits([1000, -1000, 0, 999], 4)).data, [0.7310586, 0, 0, 0.2689414]);
});

test('sigmoid is the logistic function of every voxel', () => {
  near(sigmoid(logits([0, Math.log(3), -Math.log(3), 1000, -1000], 5)).data, [0.5, 0.75, 0.25, 1, 0]);
});

test('argmax takes the channel with the largest value, the first of equals', () => {
  const result = argmax(logits([1, 5, 2, 3, 5, 9, 2, 4, 2], 3));
  // Voxels: (1, 3, 2), (5, 5, 4), (2, 9, 2).
  assert.equal(Array.from(result.data), [1, 0, 1]);
  assert.is(result.kind, 'label');
  assert.is(result.channels, 1);
  assert.is(voxelTypeOf(result.data), 'uint8');
});

test('argmax of more than 256 channels needs two bytes', () => {
  const values = Array.from({ length: 300 }, (_, i) => i);
  const result = argmax(logits(values, 300));
  assert.is(voxelTypeOf(result.data), 'uint16');
  assert.is(result.data[0], 299);
});

test('threshold is 1 from the limit on, in every channel', () => {
  const result = threshold(logits([0.4, 0.5, 0.6, Number.NaN], 2), 0.5);
  assert.equal(Array.from(result.data), [0, 1, 1, 0]);
  assert.is(result.channels, 2);
  assert.is(result.kind, 'label');
});

test.run();
