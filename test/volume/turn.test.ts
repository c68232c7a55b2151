import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { transformPoint } from '#src/volume/affine.js';
import { invertHistory } from '#src/volume/invert.js';
import { flip, rotate90 } from '#src/volume/turn.js';
import { makeVolume, type Vec3, type Volume } from '#src/volume/volume.js';

/** Two rows of three voxels: x runs over rows, as in a NumPy array [[0, 1, 2], [3, 4, 5]] of axes x, y. */
const rows = [0, 3, 1, 4, 2, 5];
const volume = makeVolume({
  data: Int16Array.from(rows),
  size: [2, 3, 1],
  affine: [2, 0, 0, 10, 0, 3, 0, -5, 0, 0, 1, 0, 0, 0, 0, 1],
});

/** The volume as nested lists by x, then y. */
const nested = ({ data, size: [nx, ny] }: Volume) =>
  Array.from({ length: nx }, (_, x) => Array.from({ length: ny }, (__, y) => data[y * nx + x]));

test('rotate90 turns as NumPy and PyTorch do', () => {
  // torch 1.13: rot90(arange(6).reshape(2, 3), k, (0, 1))
  assert.equal(nested(rotate90(volume, 1, [0, 1])), [
    [2, 5],
    [1, 4],
    [0, 3],
  ]);
  assert.equal(nested(rotate90(volume, 2, [0, 1])), [
    [5, 4, 3],
    [2, 1, 0],
  ]);
  assert.equal(nested(rotate90(volume, 3, [0, 1])), [
    [3, 0],
    [4, 1],
    [5, 2],
  ]);
  assert.equal(nested(rotate90(volume, 3, [0, 1])), nested(rotate90(volume, 1, [1, 0])));
  assert.is(rotate90(volume, 4, [0, 1]), volume);
});

test('flips and turns keep every voxel at its place in mm, and can be undone', () => {
  const whereIs = ({ data, size, affine }: Volume, value: number) => {
    const at = data.indexOf(value);
    return transformPoint(affine, [at % size[0], Math.floor(at / size[0]) % size[1], 0] as Vec3);
  };
  const changed = [
    flip(volume, [0]),
    flip(volume, [0, 1, 2]),
    rotate90(volume, 1, [0, 1]),
    rotate90(volume, 3, [1, 0]),
  ];
  for (const other of changed) {
    assert.not.equal(nested(other), nested(volume));
    for (const value of rows) assert.equal(whereIs(other, value), whereIs(volume, value));
    const back = invertHistory(other, other.history, 'nearest');
    assert.equal(nested(back), nested(volume));
  }
  assert.equal(nested(flip(volume, [1])), [
    [2, 1, 0],
    [5, 4, 3],
  ]);
});

test.run();
