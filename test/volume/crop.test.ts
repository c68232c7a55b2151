import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '#src/errors.js';
import { transformPoint } from '#src/volume/affine.js';
import {
  centerCropBox,
  cropOrPad,
  type ForegroundSettings,
  foregroundBox,
  paddedIndices,
  spatialPadBox,
} from '#src/volume/crop.js';
import { makeVolume, type Vec3 } from '#src/volume/volume.js';

const affine = [0, -2, 0, 10, 3, 0, 0, 20, 0, 0, 4, 30, 0, 0, 0, 1];
/** [3, 2, 2] voxels that hold 1 … 12, x fastest. */
const volume = makeVolume({
  data: Uint8Array.from({ length: 12 }, (_, i) => i + 1),
  size: [3, 2, 2],
  affine,
});

test('paddedIndices says which voxel each position reads', () => {
  const at = (mode: Parameters<typeof paddedIndices>[3], size = 3) =>
    Array.from(paddedIndices(-4, 10, size, mode));
  assert.equal(at('constant'), [-1, -1, -1, -1, 0, 1, 2, -1, -1, -1]);
  assert.equal(at('replicate'), [0, 0, 0, 0, 0, 1, 2, 2, 2, 2]);
  assert.equal(at('reflect'), [0, 1, 2, 1, 0, 1, 2, 1, 0, 1]);
  assert.equal(at('circular'), [2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
  assert.equal(at('reflect', 1), new Array(10).fill(0));
});

test('a crop keeps its voxels at their position in mm, and notes what it was cut from', () => {
  const cut = cropOrPad(volume, [1, 0, 1], [2, 1, 1]);
  assert.equal(cut.size, [2, 1, 1]);
  assert.equal(Array.from(cut.data), [8, 9]);
  assert.equal(transformPoint(cut.affine, [0, 0, 0]), transformPoint(affine, [1, 0, 1]));
  assert.equal(cut.affine.slice(0, 3), affine.slice(0, 3));
  assert.equal(cut.history, [{ step: 'cropOrPad', from: { size: [3, 2, 2], affine }, start: [1, 0, 1] }]);
});

test('a pad surrounds the voxels, with a value or with what the mode says', () => {
  const padded = cropOrPad(volume, [-1, 0, 0], [5, 1, 1], 'constant', 7);
  assert.equal(Array.from(padded.data), [7, 1, 2, 3, 7]);
  assert.equal(transformPoint(padded.affine, [1, 0, 0]), transformPoint(affine, [0, 0, 0]));
  assert.equal(Array.from(cropOrPad(volume, [-1, 0, 0], [5, 1, 1], 'reflect').data), [2, 1, 2, 3, 2]);
  assert.equal(Array.from(cropOrPad(volume, [0, 1, 1], [1, 2, 2]).data), [10, 0, 0, 0]);
  assert.equal(Array.from(cropOrPad(volume, [0, 1, 1], [1, 2, 2], 'replicate').data), [10, 10, 10, 10]);
});

test('channels are cropped alike', () => {
  const two = makeVolume({ data: Int16Array.of(1, 2, 3, 4, 5, 6), size: [3, 1, 1], channels: 2 });
  assert.equal(Array.from(cropOrPad(two, [1, 0, 0], [3, 1, 1]).data), [2, 3, 0, 5, 6, 0]);
});

test('a crop that cuts nothing returns the volume as it is', () => {
  assert.is(cropOrPad(volume, [0, 0, 0], [3, 2, 2]), volume);
});

test('centerCropBox takes the middle as CenterSpatialCrop does', () => {
  assert.equal(centerCropBox([10, 11, 7], [4, 4, 4]), { start: [3, 3, 1], size: [4, 4, 4] });
  assert.equal(centerCropBox([10, 11, 7], [5, 5, 5]), { start: [3, 3, 1], size: [5, 5, 5] });
  assert.equal(centerCropBox([10, 11, 7], [-1, 0, 9]), { start: [0, 0, 0], size: [10, 11, 7] });
});

test('spatialPadBox pads both sides, the odd voxel behind, or only behind', () => {
  assert.equal(spatialPadBox([5, 6, 7], [10, 6, 3], 'symmetric'), { start: [-2, 0, 0], size: [10, 6, 7] });
  assert.equal(spatialPadBox([5, 6, 7], [10, 6, -1], 'end'), { start: [0, 0, 0], size: [10, 6, 7] });
});

const marked = (size: Vec3, places: Vec3[], value = 1) => {
  const data = new Float32Array(size[0] * size[1] * size[2]);
  for (const [i, j, k] of places) data[(k * size[1] + j) * size[0] + i] = value;
  return makeVolume({ data, size });
};
const settings: ForegroundSettings = { margin: [0, 0, 0], allowSmaller: true, kDivisible: [1, 1, 1] };

test('foregroundBox surrounds the voxels above zero', () => {
  const subject = marked(
    [8, 7, 6],
    [
      [2, 3, 1],
      [4, 5, 1],
    ],
  );
  assert.equal(foregroundBox(subject, settings), { start: [2, 3, 1], size: [3, 3, 1] });
  assert.equal(foregroundBox(subject, { ...settings, margin: [1, 2, 3] }), {
    start: [1, 1, 0],
    size: [5, 6, 5],
  });
  assert.equal(foregroundBox(subject, { ...settings, margin: [1, 2, 3], allowSmaller: false }), {
    start: [1, 1, -2],
    size: [5, 7, 7],
  });
});

test('foregroundBox grows to a multiple, on both sides', () => {
  const subject = marked([8, 7, 6], [[3, 3, 3]]);
  assert.equal(foregroundBox(subject, { ...settings, kDivisible: [4, 2, 3] }), {
    start: [2, 3, 2],
    size: [4, 2, 3],
  });
});

test('foregroundBox looks at the channels asked for, and refuses an empty one', () => {
  const data = new Float32Array(8);
  data[1] = 1;
  data[6] = 1;
  const two = makeVolume({ data, size: [4, 1, 1], channels: 2 });
  assert.equal(foregroundBox(two, settings), { start: [1, 0, 0], size: [2, 1, 1] });
  assert.equal(foregroundBox(two, { ...settings, channelIndices: [1] }), {
    start: [2, 0, 0],
    size: [1, 1, 1],
  });
  assert.throws(
    () => foregroundBox(marked([2, 2, 2], [[0, 0, 0]], -5), settings),
    (error: Error) => error instanceof DataError && /found no voxel above zero/.test(error.message),
  );
});

test.run();
