import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { applyVoxelFunction, channelsAfter } from '#src/bundle/run/voxelFunctions.js';
import type { VoxelFunction } from '#src/bundle/targets/steps.js';
import { makeVolume } from '#src/volume/volume.js';

const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const three = makeVolume({
  data: Float32Array.of(1, 0, 1, 0, /**/ 1, 1, 0, 0, /**/ 0, 1, 1, 0),
  channels: 3,
  size: [4, 1, 1],
  affine,
});

const apply = (given: VoxelFunction) => {
  const made = applyVoxelFunction(three, given);
  assert.is(made.channels, channelsAfter(3, given));
  return Array.from(made.data);
};

test('labels of BraTS: enhancing tumor before core, core before the whole tumor', () => {
  assert.equal(apply({ name: 'bratsLabels' }), [1, 4, 4, 0]);
});

test('classes are merged as the renal bundle does: the lowest channel counts, without the first', () => {
  assert.equal(apply({ name: 'labelsOfChannels' }), [1, 1, 2, 0]);
});

test('channels of zeros come after the others', () => {
  assert.equal(apply({ name: 'zeroChannels', count: 1 }), [...three.data, 0, 0, 0, 0]);
});

test.run();
