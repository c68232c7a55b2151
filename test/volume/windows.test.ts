import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Vec3 } from '#src/volume/volume.js';
import {
  addWindow,
  countWindows,
  cutWindow,
  divideByCounts_,
  divideByWeights_,
  type ModelAxes,
  mirrorWindow,
  planWindows,
  windowStart,
  windowWeights,
} from '#src/volume/windows.js';

const plan = (size: Vec3, roiSize: Vec3, overlap: number) =>
  planWindows(size, { roiSize, overlap: [overlap, overlap, overlap] });
const round = (values: ArrayLike<number>) => Array.from(values, (value) => Math.round(value * 1e6) / 1e6);

test('windows step by roiSize * (1 - overlap), and the last one ends with the volume', () => {
  assert.equal(plan([10, 8, 4], [4, 4, 4], 0.5).starts, [[0, 2, 4, 6], [0, 2, 4], [0]]);
  assert.equal(plan([11, 9, 5], [4, 4, 4], 0.5).starts, [
    [0, 2, 4, 6, 7],
    [0, 2, 4, 5],
    [0, 1],
  ]);
  assert.equal(plan([10, 10, 10], [4, 5, 3], 0).starts, [
    [0, 4, 6],
    [0, 5],
    [0, 3, 6, 7],
  ]);
  // 4 * (1 - 0.9) is less than a voxel: the step is one voxel.
  assert.equal(plan([6, 4, 4], [4, 4, 4], 0.9).starts[0], [0, 1, 2]);
  // 10 * (1 - 0.25) = 7.5 is cut to 7.
  assert.equal(plan([20, 10, 10], [10, 10, 10], 0.25).starts[0], [0, 7, 10]);
});

test('a volume smaller than a window is padded on both sides, the odd voxel behind', () => {
  const small = plan([3, 4, 1], [4, 4, 4], 0.5);
  assert.equal(small.starts, [[0], [0], [-1]]);
  assert.is(small.count, 1);
  // Zero and less take the volume's own size.
  assert.equal(plan([3, 4, 5], [0, -1, 4], 0.5).roiSize, [3, 4, 4]);
});

test('windows are taken in the order of MONAI: z varies fastest', () => {
  const six = plan([4, 2, 6], [2, 2, 2], 0);
  assert.is(six.count, 6);
  const starts = Array.from({ length: 6 }, (_, i) => windowStart(six, i));
  assert.equal(
    starts,
    [0, 2].flatMap((x) => [0, 2, 4].map((z) => [x, 0, z])),
  );
});

/** A volume [3, 2, 2] that holds 0 … 11, x fastest. */
const size: Vec3 = [3, 2, 2];
const volume = Int16Array.from({ length: 12 }, (_, i) => i);
const cut = (start: Vec3, roi: Vec3, axes: ModelAxes, padding: Parameters<typeof cutWindow>[6]) => {
  const out = new Float32Array(roi[0] * roi[1] * roi[2]).fill(-1);
  cutWindow(volume, size, 1, start, roi, axes, padding, out);
  return Array.from(out);
};
const zeros = { paddingMode: 'constant', cval: 0 } as const;

test('a window is cut in the order of axes that the model reads', () => {
  assert.equal(cut([1, 0, 0], [2, 2, 2], 'zyx', zeros), [1, 2, 4, 5, 7, 8, 10, 11]);
  // xyz: z varies fastest.
  assert.equal(cut([1, 0, 0], [2, 2, 2], 'xyz', zeros), [1, 7, 4, 10, 2, 8, 5, 11]);
});

test('what reaches outside the volume is padded', () => {
  const nines = { paddingMode: 'constant', cval: 9 } as const;
  assert.equal(cut([-1, 0, 1], [3, 1, 2], 'zyx', nines), [9, 6, 7, 9, 9, 9]);
  assert.equal(cut([-1, 0, 1], [3, 1, 2], 'xyz', nines), [9, 9, 6, 9, 7, 9]);
  assert.equal(cut([-2, 0, 0], [6, 1, 1], 'zyx', { paddingMode: 'replicate', cval: 0 }), [0, 0, 0, 1, 2, 2]);
  assert.equal(cut([-2, 0, 0], [6, 1, 1], 'zyx', { paddingMode: 'reflect', cval: 0 }), [2, 1, 0, 1, 2, 1]);
  assert.equal(cut([-2, 0, 0], [6, 1, 1], 'zyx', { paddingMode: 'circular', cval: 0 }), [1, 2, 0, 1, 2, 0]);
});

test('several channels are cut and put back one after the other', () => {
  const two = Float32Array.from({ length: 8 }, (_, i) => i);
  const window = new Float32Array(4);
  cutWindow(two, [2, 2, 1], 2, [1, 0, 0], [1, 2, 1], 'xyz', zeros, window);
  assert.equal(Array.from(window), [1, 3, 5, 7]);
  const out = new Float32Array(8);
  addWindow(window, 2, [1, 0, 0], [1, 2, 1], 'xyz', undefined, [2, 2, 1], out);
  assert.equal(Array.from(out), [0, 1, 0, 3, 0, 5, 0, 7]);
});

for (const axes of ['xyz', 'zyx'] as const) {
  test(`cutting every window and putting it back gives the volume again (${axes})`, () => {
    const whole: Vec3 = [5, 4, 3];
    const data = Float32Array.from({ length: 60 }, (_, i) => (i * 7) % 11);
    // Larger than the volume along z, so that padding is dropped again.
    const windows = plan(whole, [3, 2, 5], 0.4);
    const out = new Float32Array(60);
    const window = new Float32Array(30);
    for (let i = 0; i < windows.count; i++) {
      const start = windowStart(windows, i);
      cutWindow(data, whole, 1, start, windows.roiSize, axes, zeros, window);
      addWindow(window, 1, start, windows.roiSize, axes, undefined, whole, out);
    }
    divideByCounts_(out, 1, whole, countWindows(whole, windows));
    assert.equal(round(out), Array.from(data));
  });
}

test('overlapping windows are averaged: a 4 x 4 grid computed by hand', () => {
  // Four windows of 3 x 3, whose outputs are 1, 2, 3 and 4 throughout; z is one voxel thick.
  const grid: Vec3 = [4, 4, 1];
  const windows = plan(grid, [3, 3, 1], 0.6);
  assert.equal(windows.starts, [[0, 1], [0, 1], [0]]);
  const out = new Float32Array(16);
  for (let i = 0; i < 4; i++) {
    addWindow(
      new Float32Array(9).fill(i + 1),
      1,
      windowStart(windows, i),
      windows.roiSize,
      'xyz',
      undefined,
      grid,
      out,
    );
  }
  divideByCounts_(out, 1, grid, countWindows(grid, windows));
  // Windows in order: (0, 0), (0, 1), (1, 0), (1, 1) as (x, y); rows below run along x.
  assert.equal(
    Array.from(out),
    [
      [1, 2, 2, 3],
      [1.5, 2.5, 2.5, 3.5],
      [1.5, 2.5, 2.5, 3.5],
      [2, 3, 3, 4],
    ].flat(),
  );
});

test('weighted windows are averaged by their weights', () => {
  const line: Vec3 = [3, 1, 1];
  const weights = Float32Array.of(1, 3);
  const out = new Float32Array(3);
  const sums = new Float32Array(3);
  for (const [start, value] of [
    [0, 10],
    [1, 20],
  ]) {
    addWindow(new Float32Array(2).fill(value), 1, [start, 0, 0], [2, 1, 1], 'xyz', weights, line, out);
    addWindow(weights, 1, [start, 0, 0], [2, 1, 1], 'zyx', undefined, line, sums);
  }
  divideByWeights_(out, 1, sums);
  // The middle voxel: (10 * 3 + 20 * 1) / 4.
  assert.equal(Array.from(out), [10, 12.5, 20]);
});

test('Gaussian weights are highest in the middle, symmetric, and never below 0.001', () => {
  assert.is(windowWeights([4, 4, 4], { mode: 'constant', sigmaScale: [0.125, 0.125, 0.125] }), undefined);
  // sigma is 0.25 * 4 = 1 voxel: exp(-x^2 / 2) at 0.5 and 1.5 voxels from the middle.
  const [inner, outer] = [Math.exp(-0.125), Math.exp(-1.125)];
  const line = windowWeights([4, 1, 1], { mode: 'gaussian', sigmaScale: [0.25, 0.25, 0.25] })!;
  assert.equal(round(line), round([outer, inner, inner, outer]));
  const plane = windowWeights([2, 4, 1], { mode: 'gaussian', sigmaScale: [0.5, 0.25, 0.25] })!;
  const [y0, y1] = [outer, inner].map((value) => value * Math.exp(-0.125));
  assert.equal(round(plane), round([y0, y0, y1, y1, y1, y1, y0, y0]));
  const cube = windowWeights([9, 9, 9], { mode: 'gaussian', sigmaScale: [0.125, 0.125, 0.125] })!;
  assert.is(cube[364], 1);
  assert.equal(round([cube[0], cube[728]]), [0.001, 0.001]);
  assert.ok(cube.every((value, i) => value === cube[728 - i]));
});

test('with stepSize, windows are spread evenly, at most that far apart', () => {
  const starts = (size: Vec3, roiSize: Vec3, stepSize: number) =>
    planWindows(size, { roiSize, overlap: [0, 0, 0], stepSize }).starts;
  // Steps of 37 / 3 along x and 1.5 along y (halves go to the even number); z is padded, the odd voxel
  // behind.
  assert.equal(starts([69, 19, 5], [32, 16, 8], 0.5), [[0, 12, 25, 37], [0, 3], [-1]]);
  assert.equal(starts([10, 7, 3], [4, 4, 1], 0.5), [
    [0, 2, 4, 6],
    [0, 2, 3],
    [0, 1, 2],
  ]);
});

test('with stepSize, the Gaussian is around voxel floor(size / 2), without a floor', () => {
  const settings = { mode: 'gaussian', sigmaScale: [0.125, 0.125, 0.125], stepSize: 0.5 } as const;
  const line = windowWeights([8, 1, 1], settings)!;
  assert.equal(round(line), round([8, 4.5, 2, 0.5, 0, 0.5, 2, 4.5].map((power) => Math.exp(-power))));
  assert.ok(Math.min(...windowWeights([8, 8, 8], settings)!) < 1e-10);
});

test('mirrorWindow mirrors each channel along the chosen axes', () => {
  const window = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const out = new Float32Array(8);
  mirrorWindow(window, 2, [2, 1, 2], [false, false, true], false, out);
  assert.equal(Array.from(out), [2, 1, 4, 3, 6, 5, 8, 7]);
  mirrorWindow(window, 2, [2, 1, 2], [true, true, true], true, out);
  assert.equal(Array.from(out), [6, 4, 6, 4, 14, 12, 14, 12]);
});

test.run();
