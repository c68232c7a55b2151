import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { outlines } from '#src/report/outline.js';

const drawn = (labels: readonly number[], width: number, height: number, top = 0) =>
  Object.fromEntries(outlines(labels, width, height, top));

test('a block of pixels is one closed line around it', () => {
  const labels = [0, 0, 0, 0, /**/ 0, 1, 1, 0, /**/ 0, 0, 0, 0];
  assert.equal(drawn(labels, 4, 3), { 1: 'M1 1h2v1h-2z' });
  assert.equal(drawn(labels, 4, 3, 30), { 1: 'M1 31h2v1h-2z' });
});

test('labels that touch each other or the border of the slice have closed lines, too', () => {
  assert.equal(drawn([2, 1], 2, 1), { 1: 'M1 0h1v1h-1z', 2: 'M0 0h1v1h-1z' });
});

test('a hole has a line, and pixels that touch at a corner have one each', () => {
  assert.equal(drawn([1, 1, 1, /**/ 1, 0, 1, /**/ 1, 1, 1], 3, 3), { 1: 'M0 0h3v3h-3zM2 1h-1v1h1z' });
  assert.equal(drawn([3, 0, /**/ 0, 3], 2, 2), { 3: 'M0 0h1v1h-1zM1 1h1v1h-1z' });
});

test('nothing has no outline', () => {
  assert.equal(drawn([0, 0, 0, 0], 2, 2), {});
});

test.run();
