import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sliceErrors } from '#src/volume/sliceErrors.js';

// 3 x 2 x 2 voxels. In the first slice along z one voxel of label 1 is missing and one is wrong; in the
// second one label 2 is taken for label 1.
const reference = Uint8Array.of(1, 1, 0, 0, 0, 0, /**/ 2, 0, 0, 0, 0, 5);
const prediction = Uint8Array.of(1, 0, 1, 0, 0, 0, /**/ 1, 0, 0, 0, 0, 5);

const found = (axis: number, other?: Uint8Array) =>
  Object.fromEntries(
    [...sliceErrors(prediction, other, [3, 2, 2], axis)].map(([label, n]) => [label, [...n]]),
  );

test('wrong voxels are counted for both labels, across each axis', () => {
  assert.equal(found(2, reference), { 1: [2, 1], 2: [0, 1] });
  assert.equal(found(1, reference), { 1: [3, 0], 2: [1, 0] });
  assert.equal(found(0, reference), { 1: [1, 1, 1], 2: [1, 0, 0] });
});

test('without another mask, all voxels of a label count', () => {
  assert.equal(found(2), { 1: [2, 1], 5: [0, 1] });
});

test.run();
