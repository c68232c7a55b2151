import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { outlinesOf, type Ring } from '#src/formats/dicom/contours.js';

const planeOf = (...rows: readonly string[]) => ({
  plane: Uint8Array.from(rows.join(''), Number),
  width: rows[0].length,
  height: rows.length,
});

/** Whether a point is in an odd number of rings. */
function inside(rings: readonly Ring[], x: number, y: number): boolean {
  let odd = false;
  for (const ring of rings) {
    for (const [i, [ax, ay]] of ring.entries()) {
      const [bx, by] = ring[(i + 1) % ring.length];
      if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) odd = !odd;
    }
  }
  return odd;
}

/** The centres that the outlines of label 1 enclose, as rows of 0 and 1. */
function filled({ plane, width, height }: ReturnType<typeof planeOf>): string[] {
  const rings = outlinesOf(plane, width, height, 1);
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => Number(inside(rings, x, y))).join(''),
  );
}

test('one pixel has an outline around its centre', () => {
  const { plane, width, height } = planeOf('000', '010', '000');
  const [ring, ...others] = outlinesOf(plane, width, height, 1);
  assert.is(others.length, 0);
  assert.equal([...ring].sort(), [
    [0.5, 1],
    [1, 0.5],
    [1, 1.5],
    [1.5, 1],
  ]);
});

test('an outline encloses the centres of its label and no others, up to the edge of the plane', () => {
  for (const rows of [['1'], ['111', '111'], ['1001', '0110', '1001'], ['0120', '2110', '1111', '0011']]) {
    const ones = rows.map((row) => row.replaceAll('2', '0'));
    assert.equal(filled(planeOf(...rows)), ones);
  }
});

test('holes, islands in holes and several holes become one ring each, by keyholes', () => {
  const rows = [
    '1111111111',
    '1000110001',
    '1010110101',
    '1000110001',
    '1111111111',
    '1011111101',
    '1111111111',
  ];
  const { plane, width, height } = planeOf(...rows);
  assert.equal(filled(planeOf(...rows)), rows);
  // The outer ring with its four holes, and the two islands.
  assert.is(outlinesOf(plane, width, height, 1).length, 3);
});

test('random planes come back', () => {
  let state = 7;
  for (let i = 0; i < 200; i++) {
    const [width, height] = [5 + (i % 7), 4 + (i % 5)];
    const rows = Array.from({ length: height }, () =>
      Array.from({ length: width }, () => {
        state = (state * 1103515245 + 12345) % 2147483648;
        return state / 2147483648 < 0.55 ? 1 : 0;
      }).join(''),
    );
    assert.equal(filled(planeOf(...rows)), rows, rows.join('\n'));
  }
});

test('a label without a pixel has no outline', () => {
  const { plane, width, height } = planeOf('00', '02');
  assert.equal(outlinesOf(plane, width, height, 1), []);
});

test.run();
