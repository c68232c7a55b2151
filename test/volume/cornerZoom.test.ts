import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cornerZoomGrid, zoomCornerSlices, zoomCorners } from '#src/volume/cornerZoom.js';
import { makeVolume, type Triple } from '#src/volume/volume.js';
import { fixtures } from '../e2e/harness.js';

// Made with scipy by test/fixtures/totalseg/make_scipy.py.
const { zoom: golden } = JSON.parse(readFileSync(join(fixtures, 'totalseg/scipy.json'), 'utf8'));
const image = Int16Array.from(golden.image);

test('linear interpolation with aligned corners is that of scipy, bit for bit', () => {
  const out = new Float64Array(golden.linear.length);
  const middle = Math.floor(golden.to[2] / 2);
  zoomCornerSlices(image, golden.size, golden.to, middle, golden.to[2], out);
  zoomCornerSlices(image, golden.size, golden.to, 0, middle, out);
  assert.equal(Array.from(out), golden.linear);
});

test('integer arrays get the values without their fractions', () => {
  const out = new Int32Array(golden.linear.length);
  zoomCornerSlices(image, golden.size, golden.to, 0, golden.to[2], out);
  assert.equal(Array.from(out), golden.truncated);
});

test('the nearest voxel is that of scipy', () => {
  const volume = makeVolume({ size: golden.size, data: image, kind: 'label' });
  const grid = { size: golden.to as Triple, affine: volume.affine };
  assert.equal(Array.from(zoomCorners(volume, grid, 'nearest').data), golden.nearest);
});

test('the grid states the voxel size exactly, and sizes are rounded to even numbers', () => {
  const affine = [0, 0, 2, 5, -0.9, 0, 0, 6, 0, 2.5, 0, 7, 0, 0, 0, 1];
  const grid = cornerZoomGrid({ size: [10, 5, 3], affine }, [1.5, 1, 4]);
  // 10 * 0.9 / 1.5 = 6, 5 * 2.5 = 12.5 and 3 * 2 / 4 = 1.5.
  assert.equal(grid?.size, [6, 12, 2]);
  const column = (axis: number) => [0, 4, 8].map((row) => grid!.affine[row + axis]);
  assert.ok(Math.abs(column(0)[1] + 1.5) < 1e-6);
  assert.equal([column(1)[2], column(2)[0]], [1, 4]);
  assert.equal(
    [3, 7, 11].map((i) => grid!.affine[i]),
    [5, 6, 7],
  );
});

test('a grid whose voxel size is exactly that in float32 is left as it is', () => {
  const affine = [3 + 1e-9, 0, 0, 0, 0, 3, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1];
  assert.is(cornerZoomGrid({ size: [4, 4, 4], affine }, [3, 3, 3]), undefined);
  assert.ok(cornerZoomGrid({ size: [4, 4, 4], affine }, [3, 3, 3.1]));
});

test('one voxel along an axis stays one, or is repeated', () => {
  const volume = makeVolume({ size: [1, 2, 1], data: Uint8Array.of(3, 5) });
  const grid = { size: [1, 3, 2] as Triple, affine: volume.affine };
  assert.equal(Array.from(zoomCorners(volume, grid, 'bilinear').data), [3, 4, 5, 3, 4, 5]);
});

test.run();
