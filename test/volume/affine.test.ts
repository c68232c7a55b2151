import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  closeAffines,
  coveringGrid,
  identityAffine,
  invertAffine,
  isSheared,
  isUsableAffine,
  multiply,
  roundHalfEven,
  sameGrid,
  solve,
  spacingOf,
  transformPoint,
  zoomAffine,
} from '#src/volume/affine.js';

const near = (found: readonly number[], expected: readonly number[], tolerance = 1e-12) => {
  assert.is(found.length, expected.length);
  found.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]) <= tolerance, `${found} but expected ${expected}`);
  });
};
const oblique = [1.2, -0.4, 0.3, 10, 0.5, 1.9, -0.2, -20, -0.1, 0.3, 2.8, 30, 0, 0, 0, 1];

test('a product of affines moves points as one after the other', () => {
  const shift = [1, 0, 0, 5, 0, 1, 0, 6, 0, 0, 1, 7, 0, 0, 0, 1];
  const point = [1, 2, 3] as const;
  near(
    transformPoint(multiply(oblique, shift), point),
    transformPoint(oblique, transformPoint(shift, point)),
  );
  assert.equal(transformPoint(shift, point), [6, 8, 10]);
  assert.equal(multiply(identityAffine, oblique), oblique);
});

test('the inverse undoes an affine, and a solution solves its equation', () => {
  near(multiply(oblique, invertAffine(oblique)!), identityAffine);
  const other = multiply(oblique, [0, 0, 2, 1, -1, 0, 0, 2, 0, 3, 0, 3, 0, 0, 0, 1]);
  near(multiply(oblique, solve(oblique, other)!), other);
  // Pivoting: a zero on the diagonal is no obstacle.
  const swap = [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  assert.equal(invertAffine(swap), swap);
});

test('an affine is usable when it is finite and has an inverse', () => {
  assert.ok(isUsableAffine(oblique));
  assert.ok(isUsableAffine([1e-5, 0, 0, 0, 0, 1e-5, 0, 0, 0, 0, 1e-5, 0, 0, 0, 0, 1]));
  const flat = [1, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1];
  assert.is(invertAffine(flat), undefined);
  assert.not(isUsableAffine(flat));
  assert.not(isUsableAffine(new Array(16).fill(0)));
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.not(isUsableAffine(oblique.map((value, i) => (i === 3 ? bad : value))));
  }
});

test('the spacing is the length of a step along each voxel axis', () => {
  near(spacingOf([0, 3, 0, 9, -2, 0, 0, 9, 0, 4, 5, 9, 0, 0, 0, 1]), [2, 5, 5]);
});

test('closeAffines tells affines apart by a thousandth', () => {
  const moved = (by: number) => oblique.map((value, i) => (i === 0 ? value + by : value));
  assert.ok(closeAffines(oblique, moved(9e-4)));
  assert.not(closeAffines(oblique, moved(1.1e-3)));
  assert.ok(closeAffines(oblique, moved(0.1), 0.2));
});

test('sameGrid allows a twentieth of a voxel over the whole extent, whatever the voxel size', () => {
  const voxels = (x: number, y: number, z: number, shift = 0) => ({
    size: [101, 101, 11] as const,
    affine: [x, 0, 0, shift, 0, y, 0, 0, 0, 0, z, 0, 0, 0, 0, 1],
  });
  for (const scale of [1e-3, 1, 1000]) {
    const grid = voxels(scale, scale, 5 * scale);
    const same = (other: ReturnType<typeof voxels>) => [sameGrid(grid, other), sameGrid(other, grid)];
    // 100 steps that are longer by 0.0004 voxels each, and by 0.0006.
    assert.equal(same(voxels(1.0004 * scale, scale, 5 * scale)), [true, true]);
    assert.equal(same(voxels(1.0006 * scale, scale, 5 * scale)), [false, false]);
    assert.equal(same(voxels(scale, scale, 5 * scale, 0.04 * scale)), [true, true]);
    assert.equal(same(voxels(scale, scale, 5 * scale, 0.06 * scale)), [false, false]);
    assert.equal(same(voxels(0.5 * scale, 0.5 * scale, 2.5 * scale)), [false, false]);
  }
  assert.not(sameGrid({ size: [2, 3, 4], affine: oblique }, { size: [2, 3, 5], affine: oblique }));
  assert.not(sameGrid(voxels(1, 1, 1), voxels(-1, 1, 1)));
  assert.not(sameGrid(voxels(1, 1, 1), voxels(1, 1, 0)));
  // The sform and the qform of a CT with slices of 7.5 mm, tilted by almost half a turn: a quaternion in
  // float32.
  const sform = [
    -0.772591, 0.107866, -1.662561, 100, 0.107925, -0.375263, -6.544036, 90, -0.177355, -0.698242, 3.260188,
    -30, 0, 0, 0, 1,
  ];
  const qform = [
    -0.772591, 0.107582, -1.664181, 100, 0.10821, -0.375263, -6.543625, 90, -0.177183, -0.698286, 3.260188,
    -30, 0, 0, 0, 1,
  ];
  assert.ok(sameGrid({ size: [24, 26, 16], affine: sform }, { size: [24, 26, 16], affine: qform }));
});

test('isSheared tells axes that are not at right angles from rounding', () => {
  const oblique30 = [0.866, -0.5, 0, 0, 0.5, 0.866, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1];
  assert.not(isSheared(oblique30));
  assert.not(isSheared(oblique30.map(Math.fround)));
  assert.ok(isSheared(oblique30.map((value, i) => (i === 2 ? 0.01 : value))));
});

test('zoomAffine keeps directions and takes shears out', () => {
  // A turn by 90 degrees about z, with steps of 2, 3 and 4 mm.
  const turned = [0, -3, 0, 1, 2, 0, 0, 2, 0, 0, 4, 3, 0, 0, 0, 1];
  near(zoomAffine(turned, [1, 1.5, 8]), [0, -1.5, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1]);
  // The second axis leans towards the first: Gram and Schmidt leave the first and straighten the second.
  const sheared = [2, 1, 0, 0, 0, 3, 0, 0, 0, 0, 4, 0, 0, 0, 0, 1];
  near(zoomAffine(sheared, [1, 2, 3]), [1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1]);
  near(zoomAffine(turned, [1, 2, 3], true), [1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1]);
});

test('roundHalfEven rounds halves to the even number', () => {
  assert.equal(
    [0.5, 1.5, 2.5, -0.5, -1.5, 2.4999, 2.5001, -3].map(roundHalfEven),
    [0, 2, 2, -0, -2, 2, 3, -3],
  );
});

test('a covering grid keeps the first voxel where it is, and has round((n - 1) * old / new + 1) voxels', () => {
  const from = { size: [5, 4, 3], affine: [2, 0, 0, 10, 0, 2, 0, 20, 0, 0, 3, 30, 0, 0, 0, 1] } as const;
  const grid = coveringGrid(from, zoomAffine(from.affine, [1, 4, 2.4]));
  // 4 * 2 / 1 + 1 = 9; 3 * 2 / 4 + 1 = 2.5, halves to the even; 2 * 3 / 2.4 + 1 = 3.5.
  assert.equal(grid.size, [9, 2, 4]);
  near(grid.affine, [1, 0, 0, 10, 0, 4, 0, 20, 0, 0, 2.4, 30, 0, 0, 0, 1]);
});

test('a covering grid whose axes run the other way starts at the other end', () => {
  const from = { size: [5, 4, 3], affine: [-2, 0, 0, 10, 0, 2, 0, 20, 0, 0, 3, 30, 0, 0, 0, 1] } as const;
  const grid = coveringGrid(from, zoomAffine(from.affine, [1, 2, 3], true));
  assert.equal(grid.size, [9, 4, 3]);
  near(grid.affine, [1, 0, 0, 2, 0, 2, 0, 20, 0, 0, 3, 30, 0, 0, 0, 1]);
});

test('with scaleExtent the outer faces of both grids coincide', () => {
  const from = { size: [4, 4, 4], affine: [2, 0, 0, 10, 0, 2, 0, 20, 0, 0, 2, 30, 0, 0, 0, 1] } as const;
  const grid = coveringGrid(from, zoomAffine(from.affine, [1, 1, 1]), true);
  assert.equal(grid.size, [8, 8, 8]);
  // The outer face lies at 10 - 2 / 2 = 9 mm, the first voxel's centre half a millimetre inside.
  near(grid.affine, [1, 0, 0, 9.5, 0, 1, 0, 19.5, 0, 0, 1, 29.5, 0, 0, 0, 1]);
});

test('a sheared grid without a lowest corner is covered around its middle', () => {
  const affine = [1, 0.5, 0, 0, 0.5, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const flipped = affine.map((value, i) => (i === 1 || i === 4 ? -value : value));
  const from = { size: [9, 9, 5], affine: flipped } as const;
  const grid = coveringGrid(from, zoomAffine(flipped, [1, 1, 1], true));
  const middle = (g: { size: readonly number[]; affine: readonly number[] }) =>
    transformPoint(g.affine, [g.size[0] / 2, g.size[1] / 2, g.size[2] / 2]);
  near(middle(grid), middle(from));
});

test('a singular target is refused', () => {
  const grid = { size: [2, 2, 2], affine: identityAffine } as const;
  assert.throws(() => coveringGrid(grid, new Array(16).fill(0)), 'The target affine is singular');
});

test.run();
