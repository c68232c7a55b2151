import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { transformPoint } from '#src/volume/affine.js';
import { distancesTo } from '#src/volume/distance.js';
import { nearestDistances } from '#src/volume/nearest.js';
import { Random } from '#src/volume/random.js';
import { surfaceDistances, surfaceVoxels } from '#src/volume/surface.js';
import { makeVolume, type Vec3 } from '#src/volume/volume.js';

test('surfaceVoxels are those with a face outside, the border of the volume being outside', () => {
  const full = new Uint8Array(27).fill(1);
  assert.equal(surfaceVoxels(full, [3, 3, 3]).length, 26);
  const holed = new Uint8Array(125).fill(1);
  holed[62] = 0;
  const inner = [...surfaceVoxels(holed, [5, 5, 5])].filter(
    (i) =>
      ![0, 4].some((end) => i % 5 === end || Math.floor(i / 5) % 5 === end || Math.floor(i / 25) === end),
  );
  assert.equal(inner, [37, 57, 61, 63, 67, 87]);
});

test('distancesTo is infinite without anything to reach', () => {
  assert.equal(
    [...distancesTo(Int32Array.of(0, 3), new Int32Array(0), [4, 1, 1], [1, 1, 1])],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  );
});

/** Random masks of all kinds: empty, full, sparse, dense, blocks; on grids from a line to a cube. */
function* randomCases(count: number) {
  const random = new Random(11);
  for (let round = 0; round < count; round++) {
    const size: Vec3 = [1 + random.integer(9), 1 + random.integer(8), 1 + random.integer(7)];
    const spacing: Vec3 = [random.uniform(0.3, 3), random.uniform(0.3, 3), random.uniform(0.3, 6)];
    const mask = () => {
      const density = random.uniform() ** 2;
      const block = random.integer(2) === 0;
      const [cx, cy, cz] = size.map((n) => random.integer(n));
      return Uint8Array.from({ length: size[0] * size[1] * size[2] }, (_, i) => {
        const [x, y, z] = positionOf(i, size);
        const near = Math.abs(x - cx) < 3 && Math.abs(y - cy) < 3 && Math.abs(z - cz) < 2;
        return (block ? near : random.uniform() < density) ? 1 : 0;
      });
    };
    yield { size, spacing, a: mask(), b: mask() };
  }
}

const positionOf = (i: number, [nx, ny]: Vec3): Vec3 => [
  i % nx,
  Math.floor(i / nx) % ny,
  Math.floor(i / (nx * ny)),
];

/** For each voxel of `from` the distance to the nearest of `to`, by trying all. */
function bruteForce(from: readonly number[], to: readonly number[], size: Vec3, spacing: Vec3): number[] {
  return from.map((i) => {
    const a = positionOf(i, size);
    const all = to.map((j) => {
      const b = positionOf(j, size);
      return Math.hypot(...a.map((at, axis) => (at - b[axis]) * spacing[axis]));
    });
    return Math.min(...all, Number.POSITIVE_INFINITY);
  });
}

/** The surface of a mask, by looking at the six neighbours of each voxel. */
function surfaceByHand(mask: Uint8Array, size: Vec3): number[] {
  const inside = (p: readonly number[]) =>
    p.every((at, axis) => at >= 0 && at < size[axis]) && mask[(p[2] * size[1] + p[1]) * size[0] + p[0]] === 1;
  return [...mask.keys()].filter((i) => {
    const p = positionOf(i, size);
    const neighbours = [0, 1, 2].flatMap((axis) =>
      [-1, 1].map((step) => p.map((at, k) => at + (k === axis ? step : 0))),
    );
    return inside(p) && !neighbours.every(inside);
  });
}

test('surfaceDistances agree with brute force on random masks with anisotropic voxels', () => {
  let compared = 0;
  for (const { size, spacing, a, b } of randomCases(300)) {
    const affine = [spacing[0], 0, 0, 0, 0, spacing[1], 0, 0, 0, 0, spacing[2], 0, 0, 0, 0, 1];
    const labels = (mask: Uint8Array) =>
      makeVolume({ data: mask.map((value) => 4 * value), size, affine, kind: 'label' });
    const box = { start: [0, 0, 0], size } as const;
    const [found] = surfaceDistances(labels(a), labels(b), [{ label: 4, box }]);
    const [surfaceA, surfaceB] = [surfaceByHand(a, size), surfaceByHand(b, size)];
    const near = (distances: Float64Array, expected: number[]) => {
      expected.sort((x, y) => x - y);
      assert.is(distances.length, expected.length);
      // Squares are added in another order: 1e-9 is far more than that can differ.
      const same = expected.every((d, i) => d === distances[i] || Math.abs(d - distances[i]) < 1e-9);
      assert.ok(same, `${size} voxels of ${spacing} mm`);
      compared += expected.length;
    };
    near(found.toReference, bruteForce(surfaceA, surfaceB, size, spacing));
    near(found.toPrediction, bruteForce(surfaceB, surfaceA, size, spacing));
  }
  assert.ok(compared > 10000);
});

test('surfaceDistances look in the box of a label alone, and find the same there', () => {
  const size: Vec3 = [9, 8, 7];
  const data = (from: Vec3, to: Vec3) =>
    Uint8Array.from({ length: 9 * 8 * 7 }, (_, i) =>
      positionOf(i, size).every((at, axis) => at >= from[axis] && at <= to[axis]) ? 1 : 0,
    );
  const prediction = makeVolume({ data: data([2, 3, 1], [4, 6, 3]), size, kind: 'label' });
  const reference = makeVolume({ data: data([3, 3, 2], [6, 5, 5]), size, kind: 'label' });
  const whole = { label: 1, box: { start: [0, 0, 0], size } } as const;
  const tight = { label: 1, box: { start: [2, 3, 1], size: [5, 4, 5] } } as const;
  const [a, b] = surfaceDistances(prediction, reference, [whole, tight]);
  assert.equal(a, b);
});

/** A CT with a gantry tilt of 18 degrees, in voxels of 0.8 x 0.8 x 3 mm. */
const tilted = [
  0.8,
  0,
  0,
  5,
  0,
  0.8,
  3 * Math.sin(Math.PI / 10),
  6,
  0,
  0,
  3 * Math.cos(Math.PI / 10),
  7,
  0,
  0,
  0,
  1,
];

test('distances on a sheared grid are those between the positions of voxels in mm', () => {
  for (const { size, a, b } of randomCases(60)) {
    const [prediction, reference] = [a, b].map((data) => makeVolume({ data, size, affine: tilted }));
    const box = { start: [0, 0, 0], size } as const;
    const [found] = surfaceDistances(prediction, reference, [{ label: 1, box }]);
    const place = (i: number) => transformPoint(tilted, positionOf(i, size));
    const expected = (from: Uint8Array, to: Uint8Array) => {
      const others = [...surfaceVoxels(to, size)].map(place);
      const distance = (p: readonly number[]) =>
        Math.min(
          Number.POSITIVE_INFINITY,
          ...others.map((q) => Math.hypot(...q.map((value, k) => value - p[k]))),
        );
      return [...surfaceVoxels(from, size)].map((i) => distance(place(i))).sort((p, q) => p - q);
    };
    for (const [actual, wanted] of [
      [found.toReference, expected(a, b)],
      [found.toPrediction, expected(b, a)],
    ] as const) {
      assert.is(actual.length, wanted.length);
      for (const [i, value] of actual.entries()) {
        assert.ok(value === wanted[i] || Math.abs(value - wanted[i]) < 1e-12, `${value} is not ${wanted[i]}`);
      }
    }
  }
});

test('the tree finds the nearest of many points, equal ones too', () => {
  const random = new Random(4);
  const points = (count: number) => Float64Array.from({ length: 3 * count }, () => random.integer(12));
  for (const count of [1, 8, 9, 500]) {
    const [from, to] = [points(200), points(count)];
    for (const [i, distance] of nearestDistances(from, to).entries()) {
      const least = Math.min(
        ...Array.from({ length: count }, (_, j) =>
          Math.hypot(...[0, 1, 2].map((k) => to[3 * j + k] - from[3 * i + k])),
        ),
      );
      assert.ok(Math.abs(distance - least) < 1e-12);
    }
  }
});

test.run();
