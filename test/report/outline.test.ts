import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { outlinePath } from '#src/report/outline.js';

test('a block of pixels is framed by four strokes', () => {
  const labels = [0, 0, 0, 0, /**/ 0, 1, 1, 0, /**/ 0, 0, 0, 0];
  assert.is(outlinePath(labels, 4, 3), 'M1 1h2M1 2h2M1 1v1M3 1v1');
});

test('labels that touch are separate, and the border of the slice closes them', () => {
  assert.is(outlinePath([1, 2], 2, 1), 'M0 0h2M0 1h2M0 0v1M1 0v1M2 0v1');
});

test('nothing has no outline', () => {
  assert.is(outlinePath([0, 0, 0, 0], 2, 2), '');
});

test.run();
