import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fencesOf, findOutliers } from '#src/report/outliers.js';
import { valuesNamed } from '../metrics/values.js';

const found = (rows: readonly Readonly<Record<string, number>>[]) =>
  findOutliers(rows.map((values, i) => ({ id: `${i}`, metrics: valuesNamed(values), timings: {} }))).map(
    (names) => [...names],
  );

test('fences are 1.5 box lengths beyond the quartiles of finite values', () => {
  // Quartiles 2 and 4.
  assert.equal(fencesOf([1, 2, 3, 4, 5, Number.NaN, Number.POSITIVE_INFINITY]), [-1, 7]);
  assert.is(fencesOf([1, 2, 3, 4]), undefined);
});

test('Dice is marked at the worse end only, and other metrics are not', () => {
  const dice = [0.8, 0.81, 0.8, 0.81, 0.8, 0.2, 1];
  const hd = [1, 1, 1, 1, 1, 1, 90];
  assert.equal(found(dice.map((value, i) => ({ dice_a: value, hd_a: hd[i] }))), [
    [],
    [],
    [],
    [],
    [],
    ['dice_a'],
    [],
  ]);
});

test('a volume is marked by its difference from the reference, or by itself without one', () => {
  const volumes = [100, 110, 120, 130, 900];
  const both = volumes.map((value, i) => ({
    volume_ml_a: value + (i === 1 ? 50 : i),
    volume_ml_ref_a: value,
  }));
  assert.equal(found(both), [[], ['volume_ml_a'], [], [], []]);
  assert.equal(found(volumes.map((value) => ({ volume_ml_a: value }))), [[], [], [], [], ['volume_ml_a']]);
});

test.run();
