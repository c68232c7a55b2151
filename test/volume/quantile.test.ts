import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { quantileOf } from '#src/volume/quantile.js';

test('quantileOf interpolates between neighbours as numpy does', () => {
  // numpy.quantile([1, 2, 4, 8], q)
  assert.equal(
    [0, 0.25, 0.5, 0.75, 1].map((q) => quantileOf([1, 2, 4, 8], q)),
    [1, 1.75, 3, 5, 8],
  );
  assert.is(quantileOf([3], 0.7), 3);
});

test('quantileOf of no numbers is NaN, and next to infinity it is infinite', () => {
  assert.ok(Number.isNaN(quantileOf([], 0.5)));
  const { POSITIVE_INFINITY: infinity } = Number;
  assert.is(quantileOf([infinity, infinity], 0.5), infinity);
  assert.is(quantileOf([1, infinity], 0.5), infinity);
  assert.is(quantileOf([1, infinity], 0), 1);
});

test.run();
