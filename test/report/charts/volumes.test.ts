import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { agreementOf, blandAltmanChart, volumeChart } from '#src/report/charts/volumes.js';
import { numbers, onAxis, ticks } from './drawn.js';

const pairs = [
  { case: 0, prediction: 10, reference: 12 },
  { case: 1, prediction: 21, reference: 20 },
  { case: 2, prediction: 28, reference: 30 },
];

test('agreement is the mean difference, and 1.96 standard deviations around it', () => {
  // Differences -2, 1, -2: mean -1, standard deviation the root of 3.
  const { bias, low, high } = agreementOf(pairs)!;
  assert.is(bias, -1);
  assert.ok(Math.abs(low - (-1 - 1.96 * Math.sqrt(3))) < 1e-12);
  assert.ok(Math.abs(high - (-1 + 1.96 * Math.sqrt(3))) < 1e-12);
  assert.is(agreementOf(pairs.slice(0, 1)), undefined);
});

test('differences, bias and limits are drawn where the axes say', () => {
  const svg = blandAltmanChart('b', pairs);
  const differences = [-2, 1, -2];
  assert.equal(numbers(svg, 'dot', 'data-value'), differences);
  const left = ticks(svg, 'left');
  assert.ok(onAxis(left, differences, numbers(svg, 'dot', 'cy')));
  assert.ok(onAxis(ticks(svg, 'below'), [11, 20.5, 29], numbers(svg, 'dot', 'cx')));
  assert.ok(onAxis(left, [-1], numbers(svg, 'bias', 'y1')));
  assert.ok(onAxis(left, [-1 - 1.96 * Math.sqrt(3), -1 + 1.96 * Math.sqrt(3)], numbers(svg, 'limit', 'y1')));
  assert.ok(onAxis(left, [0], numbers(svg, 'zero', 'y1')));
  assert.ok(svg.includes('>−1.00<') && svg.includes('>−4.39<') && svg.includes('>2.39<'));
});

test('one pair has a difference, but no limits of agreement', () => {
  const svg = blandAltmanChart('b', pairs.slice(0, 1));
  assert.equal(numbers(svg, 'dot', 'data-value'), [-2]);
  assert.not.match(svg, /class="(bias|limit)"|NaN|Infinity/);
});

test('volumes are drawn where the axes say, and equal ones lie on the line of equality', () => {
  const svg = volumeChart('v', [...pairs, { case: 3, prediction: 25, reference: 25 }]);
  const [cx, cy] = ['cx', 'cy'].map((name) => numbers(svg, 'dot', name));
  assert.ok(onAxis(ticks(svg, 'below'), [12, 20, 30, 25], cx));
  assert.ok(onAxis(ticks(svg, 'left'), [10, 21, 28, 25], cy));
  const [x1, x2, y1, y2] = ['x1', 'x2', 'y1', 'y2'].map((at) => numbers(svg, 'equal', at)[0]);
  assert.ok(Math.abs(y1 + ((cx[3] - x1) / (x2 - x1)) * (y2 - y1) - cy[3]) < 0.2);
});

test.run();
