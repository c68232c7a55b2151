import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { signedRankTest } from '#src/metrics/wilcoxon.js';

const near = (value: number | null, expected: number, relative = 1e-9) =>
  assert.ok(
    value !== null && Math.abs(value - expected) <= relative * expected,
    `${value} is not ${expected}`,
  );

test('signedRankTest is exact for few differences', () => {
  // scipy 1.10.1: wilcoxon(d, mode='exact')
  const { n, positiveRanks, p } = signedRankTest([0.3, -0.1, 0.5, 0.7, -0.2, 0.9, 1.1, 0.05]);
  assert.equal([n, positiveRanks], [8, 31]);
  near(p, 0.078125);
});

test('signedRankTest drops zeros and is exact with ties, as counting all signs is', () => {
  const differences = [1, 1, -2, 3, 3, -4, 5, 5, 0, 0];
  const { n, positiveRanks, p } = signedRankTest(differences);
  // The ranks by hand, and every choice of signs.
  const ranks = [1.5, 1.5, 3, 4.5, 4.5, 6, 7.5, 7.5];
  const sums = Array.from({ length: 256 }, (_, signs) =>
    ranks.reduce((sum, rank, i) => sum + ((signs >> i) & 1 ? rank : 0), 0),
  );
  const share = (test: (sum: number) => boolean) => sums.filter(test).length / 256;
  assert.equal([n, positiveRanks], [8, 27]);
  near(
    p,
    2 *
      Math.min(
        share((sum) => sum <= 27),
        share((sum) => sum >= 27),
      ),
  );
});

test('signedRankTest approximates the distribution for many differences', () => {
  // scipy 1.10.1: wilcoxon(d, mode='approx', correction=False)
  const spread = (shift: number) => Array.from({ length: 300 }, (_, i) => (((i * 7919) % 1009) - shift) / 10);
  near(signedRankTest(spread(400)).p, 2.367855868131769e-8, 1e-7);
  near(signedRankTest(spread(200)).p, 1.71345328324115e-36, 1e-7);
  const one = Array.from({ length: 250 }, (_, i) => (i % 2 ? i : -i) + 0.25);
  assert.ok(signedRankTest(one).p! > 0.9);
});

test('signedRankTest of no difference has no p-value, and of one side the smallest there is', () => {
  assert.equal(signedRankTest([0, 0]), { n: 0, positiveRanks: 0, p: null });
  assert.is(signedRankTest([1, 2, 3]).p, 0.25);
  assert.is(signedRankTest([1]).p, 1);
});

test.run();
