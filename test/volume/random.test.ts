import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Random, xoshiro128_ } from '#src/volume/random.js';

const draw = (count: number, next: () => number) => Array.from({ length: count }, next);

test('xoshiro128** gives the published numbers', () => {
  // From the state 1, 2, 3, 4: the numbers that the authors' C code gives, as other implementations test
  // them.
  const state = Uint32Array.of(1, 2, 3, 4);
  const expected = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597];
  assert.equal(
    draw(9, () => xoshiro128_(state)),
    expected,
  );
});

test('a seed and a stream give the same numbers again, and others give others', () => {
  const [first, second] = [new Random(7, 2), new Random(7, 2)];
  assert.equal(
    draw(5, () => first.uint32()),
    draw(5, () => second.uint32()),
  );
  const others = [
    new Random(7, 2),
    new Random(7, 3),
    new Random(8, 2),
    new Random(7 + 2 ** 32, 2),
    new Random(7),
    new Random(2, 7),
  ];
  assert.is(new Set(others.map((random) => random.uint32())).size, others.length);
});

test('uniform and integer fill their range evenly', () => {
  const random = new Random(3);
  const counts = new Array(10).fill(0);
  for (let i = 0; i < 10_000; i++) counts[random.integer(10)]++;
  // 1000 each, with a standard deviation of 30.
  assert.ok(
    counts.every((count) => Math.abs(count - 1000) < 150),
    `${counts}`,
  );
  const values = draw(1000, () => random.uniform(-2, 3));
  assert.ok(values.every((value) => value >= -2 && value < 3));
  assert.ok(Math.min(...values) < -1.9 && Math.max(...values) > 2.9);
});

test('normal numbers have the mean and the deviation asked for', () => {
  const random = new Random(4);
  const values = draw(20_000, () => random.normal(10, 2));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  // Standard errors: 0.014 of the mean, 0.04 of the variance.
  assert.ok(Math.abs(mean - 10) < 0.07, `${mean}`);
  assert.ok(Math.abs(variance - 4) < 0.2, `${variance}`);
  const within = values.filter((value) => Math.abs(value - 10) < 2).length / values.length;
  assert.ok(Math.abs(within - 0.6827) < 0.02, `${within}`);
});

test.run();
