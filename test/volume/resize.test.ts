import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { invertHistory } from '#src/volume/invert.js';
import { resizedSize, resizeTo, zoom } from '#src/volume/resize.js';
import { makeVolume } from '#src/volume/volume.js';

const affine = [2, 0, 0, 10, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const line = (...numbers: number[]) =>
  makeVolume({ data: Float32Array.from(numbers), size: [numbers.length, 1, 1], affine });
const values = ({ data }: { data: ArrayLike<number> }) => Array.from(data);

test('resizeTo reads the voxels that PyTorch reads', () => {
  const five = line(0, 1, 2, 3, 4);
  assert.equal(values(resizeTo(five, [2, 1, 1], 'nearest')), [0, 2]);
  assert.equal(values(resizeTo(five, [2, 1, 1], 'nearest-exact')), [1, 3]);
  // Means of voxels 0 to 2 and 2 to 4: the middle one counts for both.
  assert.equal(values(resizeTo(five, [2, 1, 1], 'area')), [1, 3]);
  assert.equal(values(resizeTo(five, [2, 1, 1], 'trilinear')), [0.75, 3.25]);
  assert.equal(values(resizeTo(five, [3, 1, 1], 'trilinear', true)), [0, 2, 4]);
  assert.equal(values(resizeTo(line(0, 4), [4, 1, 1], 'trilinear')), [0, 1, 3, 4]);
  assert.equal(values(resizeTo(line(0, 4), [3, 1, 1], 'area')), [0, 2, 4]);
  assert.equal(values(resizeTo(line(5), [3, 1, 1], 'trilinear', true)), [5, 5, 5]);
});

test('resizeTo averages boxes in all axes and channels', () => {
  const data = Int16Array.from({ length: 16 }, (_, i) => i);
  const cube = makeVolume({ data, size: [2, 2, 2], channels: 2 });
  assert.equal(values(resizeTo(cube, [1, 1, 1], 'area')), [3.5, 11.5]);
  assert.equal(values(resizeTo(cube, [2, 1, 1], 'area')), [3, 4, 11, 12]);
});

test('resizeTo keeps the outer faces in place, and the type of nearest voxels', () => {
  const labels = makeVolume({ data: Uint8Array.of(1, 2, 3, 4), size: [4, 1, 1], affine, kind: 'label' });
  const half = resizeTo(labels, [2, 1, 1], 'nearest');
  assert.instance(half.data, Uint8Array);
  // The face at 9 mm stays: the new voxels are 4 mm wide.
  assert.equal([half.affine[0], half.affine[3]], [4, 11]);
  assert.is(resizeTo(labels, [4, 1, 1], 'area'), labels);
});

test('resizeTo smooths before the volume becomes smaller', () => {
  const point = line(0, 0, 0, 0, 1, 0, 0, 0, 0);
  const plain = values(resizeTo(point, [3, 1, 1], 'nearest-exact'));
  const smooth = values(resizeTo(point, [3, 1, 1], 'nearest-exact', false, {}));
  assert.equal(plain, [0, 1, 0]);
  // Half of 3 - 1 is a deviation of 1 voxel; its central weight is erf(0.5 / sqrt(2)).
  assert.ok(Math.abs(smooth[1] - 0.3829249) < 1e-6, `${smooth}`);
  assert.equal(values(resizeTo(point, [3, 1, 1], 'nearest-exact', false, { sigma: [0, 1, 1] })), plain);
});

test('resizedSize scales the longest axis to the size, with halves rounded to even numbers', () => {
  assert.equal(resizedSize([30, 25, 21], [20, 20, 20], 'longest'), [20, 17, 14]);
  assert.equal(resizedSize([4, 1, 3], [2, 2, 2], 'longest'), [2, 1, 2]);
  assert.equal(resizedSize([4, 5, 6], [2, -1, 0], 'all'), [2, 5, 6]);
});

test('invertHistory scales back in the same mode, or to the nearest voxel', () => {
  const half = resizeTo(line(0, 2, 4, 6), [2, 1, 1], 'area');
  assert.equal(values(half), [1, 5]);
  const back = invertHistory(half, half.history, 'bilinear');
  assert.equal([values(back), back.size, back.affine], [[1, 1, 5, 5], [4, 1, 1], affine]);
  const linear = resizeTo(line(0, 2, 4, 6), [2, 1, 1], 'trilinear');
  assert.equal(values(invertHistory(linear, linear.history, 'bilinear')), [1, 2, 4, 5]);
  assert.equal(values(invertHistory(linear, linear.history, 'nearest')), [1, 1, 5, 5]);
});

test('zoom keeps the size, pads with the border, and can be undone', () => {
  const four = line(1, 2, 3, 4);
  const settings = { mode: 'nearest', alignCorners: false, padding: 'edge', keepSize: true } as const;
  const large = zoom(four, [2, 1, 1], settings);
  assert.equal(values(large), [2, 2, 3, 3]);
  assert.equal([large.affine[0], large.affine[3]], [1, 11.5], 'every structure keeps its position in mm');
  const small = zoom(four, [0.5, 1, 1], settings);
  assert.equal(values(small), [1, 1, 3, 3]);
  assert.equal(values(zoom(four, [0.5, 1, 1], { ...settings, keepSize: false })), [1, 3]);
  const back = invertHistory(small, small.history, 'nearest');
  assert.equal([values(back), back.size, back.affine], [[1, 1, 3, 3], [4, 1, 1], affine]);
});

test.run();
