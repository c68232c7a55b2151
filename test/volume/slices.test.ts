import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { middleOf, planeThrough, sampleSlice, sliceOf } from '#src/volume/slices.js';
import { type Affine, makeVolume, type Vec3 } from '#src/volume/volume.js';

// 2 x 3 x 4 voxels of 1 x 2 x 3 mm, numbered in storage order: voxel (x, y, z) holds x + 2 y + 6 z.
const size: Vec3 = [2, 3, 4];
const data = Float32Array.from({ length: 24 }, (_, i) => i);
const ras: Affine = [1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1];
const slice = (affine: Affine, name: 'axial' | 'coronal' | 'sagittal', at: Vec3) => {
  const plane = planeThrough({ size, affine }, name, at);
  return { ...plane, values: [...sliceOf(data, size, plane)] };
};

test('an axial slice has the right on the left and the front up', () => {
  const { width, height, mm, values } = slice(ras, 'axial', [0, 0, 1]);
  assert.equal([width, height, mm], [2, 3, [2, 6]]);
  assert.equal(values, [11, 10, 9, 8, 7, 6]);
});

test('coronal and sagittal slices have the head up', () => {
  const coronal = slice(ras, 'coronal', [0, 1, 0]);
  assert.equal([coronal.width, coronal.height, coronal.mm], [2, 4, [2, 12]]);
  assert.equal(coronal.values, [21, 20, 15, 14, 9, 8, 3, 2]);
  const sagittal = slice(ras, 'sagittal', [1, 0, 0]);
  assert.equal([sagittal.width, sagittal.height, sagittal.mm], [3, 4, [6, 12]]);
  assert.equal(sagittal.values, [23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1]);
});

test('slices look the same however the voxels are stored', () => {
  const lps: Affine = [-1, 0, 0, 1, 0, -2, 0, 4, 0, 0, 3, 0, 0, 0, 0, 1];
  assert.equal(slice(lps, 'axial', [0, 0, 1]).values, [6, 7, 8, 9, 10, 11]);
  // Voxel axes that run to the front, the head and the right: sizes are 3 mm, 1 mm and 2 mm along them.
  const turned: Affine = [0, 0, 2, 0, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
  const axial = slice(turned, 'axial', [0, 2, 0]);
  assert.equal([axial.width, axial.height, axial.mm], [4, 2, [8, 6]]);
  assert.equal(axial.values, [23, 17, 11, 5, 22, 16, 10, 4]);
});

test('another volume is sampled in a plane at its place in mm', () => {
  const grid = { size: [4, 2, 1] as Vec3, affine: ras };
  const plane = planeThrough(grid, 'axial', [0, 0, 0]);
  // Half the spacing, and values that are their place in mm: x + 100 y.
  const image = makeVolume({
    size: [8, 4, 1],
    affine: [0.5, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    data: Float32Array.from({ length: 32 }, (_, i) => (i % 8) * 0.5 + Math.floor(i / 8) * 100),
  });
  assert.equal([...sampleSlice(image, grid, plane)], [203, 202, 201, 200, 3, 2, 1, 0]);
  assert.equal([...sampleSlice(image, grid, plane, 2, 1)], [102.5, 100.5]);
});

test('outside the sampled volume is no number', () => {
  const grid = { size: [4, 1, 1] as Vec3, affine: ras };
  const image = makeVolume({ size: [2, 1, 1], data: Float32Array.of(5, 7) });
  const found = sampleSlice(image, grid, planeThrough(grid, 'axial', [0, 0, 0]));
  assert.equal([...found], [Number.NaN, Number.NaN, 7, 5]);
});

test('the middle of a mask is the median along each axis', () => {
  const mask = new Uint8Array(24);
  assert.is(middleOf(mask, size), undefined);
  // Three voxels at z = 0 and one at z = 3: the mean would be a slice without any.
  for (const i of [0, 2, 4, 19]) mask[i] = 1;
  assert.equal(middleOf(mask, size), [0, 0, 0]);
  mask[21] = 1;
  mask[23] = 1;
  assert.equal(middleOf(mask, size), [0, 1, 0]);
});

test.run();
