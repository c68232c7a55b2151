import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { agreementOf, blandAltmanPlot, distributionPlot, lanesPlot, volumePlot } from '#src/report/plots.js';

/** The numbers of an attribute of all elements of a class, in order. */
const numbers = (svg: string, name: string, attribute: string) =>
  [...svg.matchAll(new RegExp(`<[a-z]+ class="${name}"[^>]*>`, 'g'))].map(([element]) =>
    Number(new RegExp(` ${attribute}="([^"]*)"`).exec(element)?.[1]),
  );

const points = (values: readonly number[]) => values.map((value, i) => ({ value, case: i }));

test('a distribution has the quartiles, Tukey whiskers and every point where the axis says', () => {
  const rows = [{ name: 'spleen', points: points([0, 6, 7, 8, 9, 10, Number.NaN, Infinity]) }];
  const svg = distributionPlot('dice', 'Dice', rows);
  assert.equal(numbers(svg, 'dot', 'data-value'), [0, 6, 7, 8, 9, 10]);
  assert.equal(numbers(svg, 'median', 'data-median'), [7.5]);
  // Linear: every point lies on one line through the ends.
  const x = numbers(svg, 'dot', 'cx');
  const perUnit = (x[5] - x[0]) / 10;
  [0, 6, 7, 8, 9, 10].forEach((value, i) => {
    assert.ok(Math.abs(x[i] - (x[0] + value * perUnit)) < 0.11, `${value} is at ${x[i]}`);
  });
  // Quartiles 6.25 and 8.75, so the whiskers reach to 6 and 10; 0 lies beyond.
  const box = numbers(svg, 'box', 'x')[0];
  assert.ok(Math.abs(box - (x[0] + 6.25 * perUnit)) < 0.11);
  assert.ok(Math.abs(numbers(svg, 'whisker', 'x1')[0] - x[1]) < 0.11);
  assert.ok(Math.abs(numbers(svg, 'whisker', 'x2')[1] - x[5]) < 0.11);
});

test('of many points only those beyond the whiskers are drawn', () => {
  const many = Array.from({ length: 400 }, (_, i) => 0.8 + 0.0001 * i);
  const svg = distributionPlot('dice', 'Dice', [{ name: 'spleen', points: points([0.1, ...many]) }]);
  assert.equal(numbers(svg, 'dot', 'data-value'), [0.1]);
});

test('names in plots are text', () => {
  const svg = distributionPlot('a"b', 'Dice', [{ name: '<script>', points: points([1, 2, 3]) }]);
  assert.not.ok(svg.includes('<script>'));
  assert.ok(svg.includes('data-plot="a&quot;b"'));
});

const pairs = [
  { case: 0, prediction: 10, reference: 12 },
  { case: 1, prediction: 21, reference: 20 },
  { case: 2, prediction: 28, reference: 30 },
];

test('agreement is the mean difference and 1.96 standard deviations around it', () => {
  // Differences -2, 1, -2: mean -1, standard deviation the root of 3.
  const { bias, low, high } = agreementOf(pairs);
  assert.is(bias, -1);
  assert.ok(Math.abs(low - (-1 - 1.96 * Math.sqrt(3))) < 1e-12);
  assert.ok(Math.abs(high - (-1 + 1.96 * Math.sqrt(3))) < 1e-12);
  const svg = blandAltmanPlot('b', pairs);
  assert.equal(numbers(svg, 'dot', 'data-value'), [-2, 1, -2]);
  assert.is(numbers(svg, 'bias', 'y1').length, 1);
  assert.is(numbers(svg, 'limit', 'y1').length, 2);
  assert.ok(svg.includes('>−1.00<') && svg.includes('>−4.39<') && svg.includes('>2.39<'));
});

test('a volume that is predicted as it is lies on the line of equality', () => {
  const svg = volumePlot('v', [...pairs, { case: 3, prediction: 25, reference: 25 }]);
  const [x1, x2, y1, y2] = ['x1', 'x2', 'y1', 'y2'].map((at) => numbers(svg, 'equal', at)[0]);
  const [x, y] = [numbers(svg, 'dot', 'cx')[3], numbers(svg, 'dot', 'cy')[3]];
  assert.ok(Math.abs(y1 + ((x - x1) / (x2 - x1)) * (y2 - y1) - y) < 0.2);
});

test('lanes are drawn with their mean', () => {
  const svg = lanesPlot('lanes', { seconds: 1, busy: { io: [0, 0.5, 1, 0.5], device: [1, 1, 1, 1] } });
  assert.equal(
    [...svg.matchAll(/data-row="(\w+)" data-mean="([\d.]+)"/g)].map(([, lane, mean]) => [lane, Number(mean)]),
    [
      ['io', 0.5],
      ['device', 1],
    ],
  );
});

test.run();
