import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { transformPoint } from '#src/volume/affine.js';
import { makeVolume, type Vec3 } from '#src/volume/volume.js';
import { separateAxis, zoomedGrid, zoomedSize, zoomTo } from '#src/volume/zoom.js';

const volume = makeVolume({
  size: [4, 3, 2],
  data: Float32Array.of(
    ...[1, -2, 5, 0, 3, 3, -1, 7, 2, 0, 4, -3],
    ...[0, 6, 1, 2, -4, 1, 0, 5, 8, -1, 2, 2],
  ),
});

// scipy 1.10.1: zoom(volume, [1.5, 2 / 3, 1.5], order, mode='nearest', grid_mode=True), clipped to -4 … 8.
const linear = [
  ...[1.5, 0.375, -0.041667, 2.791667, 2.625, 1.75, 2.25, 1.5, 1.083333, 2.416667, 1.125, -0.5],
  ...[0.25, 1.125, 2.020833, 2.104167, 2.1875, 2.25, 3.625, 1.875, 0.458333, 1.791667, 1.625, 1.125],
  ...[-1, 1.875, 4.083333, 1.416667, 1.75, 2.75, 5, 2.25, -0.166667, 1.166667, 2.125, 2.75],
];
const cubic = [
  ...[2.052204, -0.279178, -0.732046, 3.034301, 3.386158, 1.741376, 2.234596, 1.319803, 1.303101],
  ...[2.694125, 1.173719, -1.024051, -0.179945, 1.079384, 2.276961, 2.112722, 2.176744, 2.46891],
  ...[4.09452, 1.672977, 0.050003, 1.730353, 1.916711, 1.03891, -2.412094, 2.437945, 5.285969],
  ...[1.191144, 0.96733, 3.196443, 5.954444, 2.026151, -1.203095, 0.766581, 2.659702, 3.101872],
];

const size: Vec3 = [6, 2, 3];

function assertClose(found: ArrayLike<number>, wanted: readonly number[], tolerance = 2e-6): void {
  assert.is(found.length, wanted.length);
  wanted.forEach((value, i) => {
    assert.ok(Math.abs(found[i] - value) <= tolerance, `${i}: ${found[i]} is not ${value}`);
  });
}

test('linear and cubic resampling give the numbers of scipy', () => {
  const grid = zoomedGrid(volume, size);
  assertClose(zoomTo(volume, grid, { order: 1, orderZ: 1 }).data, linear);
  assertClose(zoomTo(volume, grid, { order: 3, orderZ: 1 }).data, cubic);
});

test('a separate axis is resampled after the others, from the nearest slice', () => {
  const flat: Vec3 = [6, 2, 2];
  const slices = zoomTo(volume, zoomedGrid(volume, flat), { order: 3, orderZ: 0, separate: 2 }).data;
  const whole = zoomTo(volume, zoomedGrid(volume, size), { order: 3, orderZ: 0, separate: 2 }).data;
  // Voxel o of 3 is at (o + 0.5) * 2 / 3 - 0.5: -0.17, 0.5 and 1.17; halves go up.
  for (const [made, from] of [0, 1, 1].entries()) {
    const slice = Array.from(slices.slice(12 * from, 12 * (from + 1)));
    assertClose(whole.slice(12 * made, 12 * (made + 1)), slice, 0);
  }
});

test('a spline is clipped to the range of the volume, and of each slice where an axis is separate', () => {
  const edge = makeVolume({ size: [6, 1, 2], data: Float32Array.of(0, 0, 0, 9, 9, 9, 1, 1, 1, 2, 2, 2) });
  const grid = zoomedGrid(edge, [11, 1, 2]);
  const apart = zoomTo(edge, grid, { order: 3, orderZ: 0, separate: 2 }).data;
  assert.is(Math.max(...apart.slice(11)), 2);
  assert.is(Math.min(...apart.slice(11)), 1);
  const whole = zoomTo(edge, grid, { order: 3, orderZ: 0 }).data;
  assert.ok(Math.max(...whole.slice(11)) > 2);
  assert.is(Math.max(...whole), 9);
});

test('labels take the nearest voxel and keep their type', () => {
  const labels = makeVolume({ size: [2, 1, 1], data: Uint8Array.of(3, 7), kind: 'label' });
  const made = zoomTo(labels, zoomedGrid(labels, [5, 1, 1]), { order: 0, orderZ: 0 });
  assert.equal(made.data, Uint8Array.of(3, 3, 7, 7, 7));
});

test('the outer faces of the grids coincide', () => {
  const from = { size: [4, 3, 2] as Vec3, affine: [0, -2, 0, 10, 3, 0, 0, -5, 0, 0, 1, 2, 0, 0, 0, 1] };
  const grid = zoomedGrid(from, size);
  for (const [a, b] of [
    [
      [-0.5, -0.5, -0.5],
      [-0.5, -0.5, -0.5],
    ],
    [
      [3.5, 2.5, 1.5],
      [5.5, 1.5, 2.5],
    ],
  ] as const) {
    assertClose(transformPoint(grid.affine, b), transformPoint(from.affine, a), 1e-12);
  }
});

test('new sizes are rounded to the nearest even number at halves', () => {
  assert.equal(zoomedSize([5, 3, 10], [0.5, 0.5, 0.1], [1, 1, 10]), [2, 2, 1]);
});

test('the axis with the longest voxels is separate if they are anisotropic before or after', () => {
  assert.is(separateAxis([1, 1, 4], [1, 1, 1], null), 2);
  assert.is(separateAxis([1, 1, 3], [1, 1, 1], null), undefined);
  assert.is(separateAxis([1, 1, 1], [5, 1, 1], null), 0);
  assert.is(separateAxis([4, 1, 1], [1, 1, 9], null), 0);
  assert.is(separateAxis([4, 4, 1], [1, 1, 1], null), undefined);
  assert.is(separateAxis([1, 1, 4], [1, 1, 1], false), undefined);
  assert.is(separateAxis([1, 1, 2], [1, 1, 1], true), 2);
});

test.run();
