import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError } from '#src/errors.js';
import { multiply, transformPoint } from '#src/volume/affine.js';
import {
  axcodesFault,
  axcodesOf,
  axisMap,
  inverseAxisMap,
  mapGridAxes,
  orientationOf,
  parseAxcodes,
} from '#src/volume/orientation.js';
import type { Grid, Vec3 } from '#src/volume/volume.js';

const fixture = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/geometry.json', import.meta.url), 'utf8'),
) as { orientations: { affine: number[]; axcodes: string }[] };

/** All 48 ways to lay voxel axes along the world's. */
const everyCode = ['LR', 'PA', 'IS'].flatMap((first, a, pairs) =>
  pairs.flatMap((second, b) =>
    pairs.flatMap((third, c) => {
      if (a === b || b === c || a === c) return [];
      return [...first].flatMap((x) => [...second].flatMap((y) => [...third].map((z) => x + y + z)));
    }),
  ),
);

/** The affine whose voxel axes run along `axcodes` with steps of 2, 3 and 4 mm. */
function affineOf(axcodes: string): number[] {
  const { axes, signs } = parseAxcodes(axcodes);
  const affine = [0, 0, 0, 10, 0, 0, 0, -20, 0, 0, 0, 30, 0, 0, 0, 1];
  axes.forEach((world, axis) => {
    affine[4 * world + axis] = signs[axis] * (axis + 2);
  });
  return affine;
}

test('every one of the 48 axis-aligned orientations is read back', () => {
  assert.is(everyCode.length, 48);
  for (const axcodes of everyCode) assert.is(axcodesOf(affineOf(axcodes)), axcodes);
});

test('oblique and sheared affines get the codes that nibabel 5.0 gives', () => {
  for (const { affine, axcodes } of fixture.orientations) assert.is(axcodesOf(affine), axcodes, `${affine}`);
});

test('two voxel axes near the same world axis: the clearer one takes it, whichever comes first', () => {
  // z of the world is nearest to both x (0.8) and y (0.98) of the voxels; the left-over axes go to x.
  const both = [0.6, -0.1, 0.7, 0, 0, 0.17, 0.7, 0, 0.8, 0.98, 0.1, 0, 0, 0, 0, 1];
  const swapped = [
    both[1],
    both[0],
    both[2],
    0,
    both[5],
    both[4],
    both[6],
    0,
    both[9],
    both[8],
    both[10],
    0,
    0,
    0,
    0,
    1,
  ];
  const [x, y, z] = axcodesOf(both);
  assert.is(axcodesOf(swapped), y + x + z);
  assert.is(y, 'S');
});

test('strides of very different size do not hide a direction', () => {
  const affine = multiply(affineOf('RAS'), [100, 0, 0, 0, 0, 0.01, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
  // A turn of 30 degrees about z.
  const turned = multiply([0.866, -0.5, 0, 0, 0.5, 0.866, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], affine);
  assert.is(axcodesOf(turned), 'RAS');
});

test('axis codes are read, and faulty ones refused with the code that was given', () => {
  assert.equal(parseAxcodes('PIR'), { axes: [1, 2, 0], signs: [-1, -1, 1] });
  for (const bad of ['', 'RA', 'RASS', 'RAL', 'RRS', 'ras', 'XYZ', 'R A']) {
    assert.ok(axcodesFault(bad), bad);
    assert.throws(
      () => parseAxcodes(bad),
      (error: Error) => error instanceof OptionError && error.message.includes(`but it is "${bad}"`),
    );
  }
  assert.is(axcodesFault('LPS'), undefined);
});

test('a map of the axes and its inverse leave every voxel at its position in mm', () => {
  const size: Vec3 = [3, 4, 5];
  const voxel: Vec3 = [1, 3, 2];
  for (const from of ['RAS', 'PIR', 'SLA']) {
    const grid: Grid = { size, affine: affineOf(from) };
    for (const to of everyCode) {
      const map = axisMap(orientationOf(grid.affine), parseAxcodes(to));
      const mapped = mapGridAxes(grid, map);
      assert.is(axcodesOf(mapped.affine), to);
      assert.equal(
        mapped.size,
        map.axes.map((axis) => size[axis]),
      );
      const moved = map.axes.map((axis, k) =>
        map.flips[k] > 0 ? voxel[axis] : size[axis] - 1 - voxel[axis],
      );
      assert.equal(
        transformPoint(mapped.affine, moved as unknown as Vec3),
        transformPoint(grid.affine, voxel),
        `${from} to ${to}`,
      );
      assert.equal(mapGridAxes(mapped, inverseAxisMap(map)), grid);
    }
  }
});

test.run();
