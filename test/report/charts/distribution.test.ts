import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { distributionChart } from '#src/report/charts/distribution.js';
import { numbers, onAxis, ticks } from './drawn.js';

const points = (values: readonly number[]) => values.map((value, i) => ({ value, case: i }));

test('quartiles, Tukey whiskers and every point are drawn where the axis says', () => {
  const values = [0, 6, 7, 8, 9, 10];
  const rows = [{ name: 'spleen', points: points([...values, Number.NaN, Infinity]) }];
  const svg = distributionChart('dice', 'Dice', rows);
  assert.equal(numbers(svg, 'dot', 'data-value'), values);
  assert.equal(numbers(svg, 'median', 'data-median'), [7.5]);
  const axis = ticks(svg, 'below');
  assert.equal(
    axis.map(([, label]) => label),
    ['0', '2', '4', '6', '8', '10'],
  );
  assert.ok(onAxis(axis, values, numbers(svg, 'dot', 'cx')));
  // Quartiles 6.25 and 8.75, so the whiskers reach to 6 and 10; 0 lies beyond.
  const [box, width] = ['x', 'width'].map((name) => numbers(svg, 'box', name)[0]);
  assert.ok(onAxis(axis, [6.25, 8.75], [box, box + width]));
  assert.ok(onAxis(axis, [6, 8.75], numbers(svg, 'whisker', 'x1')));
  assert.ok(onAxis(axis, [6.25, 10], numbers(svg, 'whisker', 'x2')));
  assert.ok(onAxis(axis, [7.5], numbers(svg, 'median', 'x1')));
});

test('of many points only those beyond the whiskers are drawn', () => {
  const many = Array.from({ length: 400 }, (_, i) => 0.8 + 0.0001 * i);
  const svg = distributionChart('dice', 'Dice', [{ name: 'spleen', points: points([0.1, ...many]) }]);
  assert.equal(numbers(svg, 'dot', 'data-value'), [0.1]);
});

test('of many points in many rows only those beyond the whiskers are drawn', () => {
  const rows = Array.from({ length: 20 }, (_, k) => ({
    name: `label ${k}`,
    points: points([0.1, ...Array.from({ length: 100 }, (__, i) => 0.8 + 0.001 * i)]),
  }));
  assert.is(numbers(distributionChart('dice', 'Dice', rows), 'dot', 'data-value').length, 20);
  assert.is(numbers(distributionChart('dice', 'Dice', rows.slice(0, 10)), 'dot', 'data-value').length, 1010);
});

test('the axis does not go beyond the limits of a metric', () => {
  const svg = distributionChart('dice', 'Dice', [{ name: 'a', points: points([0.5, 1]) }], [0, 1]);
  assert.is(Math.max(...numbers(svg, 'dot', 'cx')), 568);
});

test('names in charts are text', () => {
  const svg = distributionChart('a"b', 'Dice', [{ name: '<script>', points: points([1, 2, 3]) }]);
  assert.not.ok(svg.includes('<script>'));
  assert.ok(svg.includes('data-plot="a&quot;b"'));
});

test('rows without values are drawn empty', () => {
  const svg = distributionChart('dice', 'Dice', [
    { name: 'a', points: points([Number.NaN]), notes: ['n = 0', '1 undefined'] },
  ]);
  assert.match(svg, /n = 0<.*1 undefined</);
  assert.not.match(svg, /NaN|Infinity|class="(box|dots|median)"/);
});

test.run();
