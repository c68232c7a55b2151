import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { comparedCases, worstLabelMovers } from '#src/report/comparison.js';
import { valuesNamed } from '../metrics/values.js';

const row = (id: string, values: Readonly<Record<string, number>>) => ({
  case: id,
  metrics: valuesNamed(values),
});

const a = [
  row('x', { dice_a: 0.9, dice_b: 0.8, hd_a: 3, volume_ml_a: 5 }),
  row('y', { dice_a: 0.5, dice_b: 0.7, hd_a: 3 }),
  row('z', { dice_a: 0.9, dice_b: Number.NaN }),
  row('only a', { dice_a: 0.9 }),
];
const b = [
  row('y', { dice_a: 0.6, dice_b: 0.6, hd_a: 90 }),
  row('x', { dice_a: 0.7, dice_b: 0.5, hd_a: 2, volume_ml_a: 6 }),
  row('z', { dice_a: 0.9, dice_b: 0.1 }),
];

test('each case that got worse has its worst label, the largest change first', () => {
  assert.equal(worstLabelMovers(a, b, 5), [
    { case: 'x', label: 'b', metric: 'Dice', a: 0.8, b: 0.5 },
    { case: 'y', label: 'b', metric: 'Dice', a: 0.7, b: 0.6 },
  ]);
  assert.is(worstLabelMovers(a, b, 1).length, 1);
});

test('metrics with a better end become those of A, of B and of the difference, in cases of both runs', () => {
  const [x, , z] = comparedCases(a, b);
  assert.equal(
    x.metrics.map(({ metric, label, value }) => [metric.name, metric.title, label, Number(value.toFixed(9))]),
    [
      ['dice_a', 'Dice: A', 'a', 0.9],
      ['dice_b', 'Dice: B', 'a', 0.7],
      ['dice_diff', 'Dice: B − A', 'a', -0.2],
      ['dice_a', 'Dice: A', 'b', 0.8],
      ['dice_b', 'Dice: B', 'b', 0.5],
      ['dice_diff', 'Dice: B − A', 'b', -0.3],
      ['hd_a', 'Hausdorff, mm: A', 'a', 3],
      ['hd_b', 'Hausdorff, mm: B', 'a', 2],
      ['hd_diff', 'Hausdorff, mm: B − A', 'a', -1],
    ],
  );
  assert.equal(
    x.metrics.map(({ metric: { better } }) => better),
    [undefined, undefined, 'higher', undefined, undefined, 'higher', undefined, undefined, 'lower'],
  );
  assert.ok(Number.isNaN(z.metrics[5].value));
  assert.is(comparedCases(a, b).length, 3);
});

test.run();
