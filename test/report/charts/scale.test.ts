import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { linearScale, type ScaleOptions } from '#src/report/charts/scale.js';

const scale = (values: readonly number[], options: Partial<ScaleOptions> = {}) =>
  linearScale(values, { range: [0, 100], ...options });
const labels = (...given: Parameters<typeof scale>) => scale(...given).ticks.map(({ label }) => label);

test('a scale holds its values with a margin, and stays within its limits', () => {
  assert.equal(scale([10, 20]).domain, [9.6, 20.4]);
  assert.equal(scale([0.5, 1], { limits: [0, 1] }).domain, [0.48, 1]);
  const plain = scale([10, 20], { margin: 0 });
  assert.equal([10, 15, 20].map(plain.at), [0, 50, 100]);
});

test('values that are not finite do not stretch a scale', () => {
  assert.equal(scale([1, Number.NaN, Infinity, 3], { margin: 0 }).domain, [1, 3]);
});

test('one value lies in the middle, and no values give 0 to 1', () => {
  assert.is(scale([7]).at(7), 50);
  assert.is(scale([0]).at(0), 50);
  assert.equal(scale([], { margin: 0 }).domain, [0, 1]);
});

test('ticks are round numbers inside the scale, where they belong', () => {
  const { ticks, at } = scale([0.83, 0.96], { margin: 0 });
  assert.equal(
    ticks.map(({ value }) => value),
    [0.84, 0.86, 0.88, 0.9, 0.92, 0.94, 0.96],
  );
  assert.is(at(0.96), 100);
  assert.equal(labels([0.83, 0.96], { margin: 0 })[3], '0.90');
});

test('labels have a real minus sign, and as many decimals as the steps need', () => {
  assert.equal(labels([-62, 3], { margin: 0 }), ['−60', '−50', '−40', '−30', '−20', '−10', '0']);
  assert.equal(labels([0, 2500], { margin: 0, ticks: 5 }), ['0', '500', '1000', '1500', '2000', '2500']);
  assert.equal(labels([0, 0.001], { margin: 0, ticks: 3 }), ['0.0000', '0.0005', '0.0010']);
  assert.equal(labels([0, 2e-6], { margin: 0, ticks: 3 }), ['0', '5e−7', '1e−6', '1.5e−6', '2e−6']);
});

test('an axis of whole numbers has no ticks between them', () => {
  assert.equal(labels([0, 2], { margin: 0, ticks: 8, whole: true }), ['0', '1', '2']);
});

test.run();
