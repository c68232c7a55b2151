import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { identityAffine, transformPoint } from '#src/volume/affine.js';
import { makeVolume, type Vec3 } from '#src/volume/volume.js';
import { warp, warpMatrix } from '#src/volume/warp.js';

const size: Vec3 = [4, 3, 2];
const data = Float32Array.of(0, 9, 7, 5, 3, 1, 10, 8, 6, 4, 2, 0, 7, 5, 3, 1, 10, 8, 6, 4, 2, 0, 9, 7);
const volume = makeVolume({ data, size });
const settings = {
  rotate: [0.3, -0.2, 0.5],
  shear: [0.1, 0, -0.05, 0.2, 0, 0.1],
  translate: [0.7, -0.4, 0.2],
  scale: [1.1, 0.9, 1.2],
} as const;

test('warpMatrix multiplies rotations, shear, translation and scale in the order of MONAI', () => {
  // Its formulas written out with torch 1.13 in float64.
  const expected = [
    0.971941064, -0.363354252, -0.351171744, 0.721470104, 0.399478673, 0.79039806, -0.139587189, -0.120338857,
    0.329806546, 0.263523422, 1.163956109, 0.286748057, 0, 0, 0, 1,
  ];
  warpMatrix(settings).forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]) < 1e-8);
  });
});

// torch 1.13: grid_sample with align_corners false, the grid centred, result x fastest.
const expected = {
  bilinear: {
    zeros: [
      1.23393, 3.16327, 0.42408, 5.63443, 7.21327, 2.80826, 3.50873, 6.74174, 3.93002, 3.15163, 4.77418,
      3.19363, 1.16611, 1.20135, 0.32628, 4.89415, 2.89105, 1.19383, 6.32955, 3.28703, 1.04222, 2.36179,
      1.06643, 0.0,
    ],
    border: [
      7.05971, 5.11583, 4.93284, 7.58129, 7.21327, 6.24994, 3.50873, 6.74174, 4.83587, 3.15163, 5.51961,
      6.8611, 5.18751, 1.9244, 1.07125, 4.89415, 3.78888, 3.44244, 7.63223, 6.58047, 6.14134, 4.17429,
      4.51897, 8.05441,
    ],
    reflection: [
      7.05971, 5.11583, 4.93284, 7.58129, 7.21327, 6.24994, 3.50873, 6.74174, 4.83587, 3.15163, 5.51961,
      6.8611, 5.18751, 1.9244, 1.07125, 4.89415, 3.78888, 3.44244, 7.63223, 6.58047, 6.14134, 4.17429,
      4.51897, 7.39769,
    ],
  },
  nearest: {
    zeros: [0, 5, 0, 7, 8, 0, 1, 10, 7, 4, 9, 0, 0, 1, 0, 5, 3, 0, 8, 0, 0, 0, 0, 0],
    border: [7, 5, 5, 7, 8, 8, 1, 10, 7, 4, 9, 7, 3, 1, 1, 5, 3, 4, 8, 6, 7, 0, 9, 9],
    reflection: [7, 5, 5, 7, 8, 8, 1, 10, 7, 4, 9, 7, 3, 1, 1, 5, 3, 4, 8, 6, 7, 0, 9, 9],
  },
};

test('warp looks voxels up as PyTorch does, in every mode and padding', () => {
  for (const mode of ['bilinear', 'nearest'] as const) {
    for (const padding of ['zeros', 'border', 'reflection'] as const) {
      const warped = warp(volume, warpMatrix(settings), [3, 4, 2], mode, padding);
      warped.data.forEach((value, i) => {
        assert.ok(Math.abs(value - expected[mode][padding][i]) < 2e-5, `${mode} ${padding} ${i}: ${value}`);
      });
    }
  }
});

test('warp keeps what is seen at its place in mm', () => {
  const affine = [2, 0, 0, 10, 0, 3, 0, -5, 0, 0, 1, 4, 0, 0, 0, 1];
  const shift = warpMatrix({
    rotate: [0, 0, 0],
    shear: [0, 0, 0, 0, 0, 0],
    translate: [1, 0, 0],
    scale: [1, 1, 1],
  });
  const moved = warp({ ...volume, affine }, shift, size, 'nearest', 'zeros');
  assert.is(moved.data[0], 9, 'one voxel further on');
  assert.equal(transformPoint(moved.affine, [0, 0, 0]), [12, -5, 4]);
  const same = warp({ ...volume, affine }, identityAffine, size, 'bilinear', 'zeros');
  assert.equal([same.data, same.affine], [data, affine]);
});

test.run();
