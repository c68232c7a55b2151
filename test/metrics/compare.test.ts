import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compareRuns, comparisonTable } from '#src/metrics/compare.js';
import { rowsNamed } from './values.js';

const [nan, infinity] = [Number.NaN, Number.POSITIVE_INFINITY];

const a = rowsNamed({
  one: { dice_s: 0.5, hd_s: 10, volume_ml_s: 100 },
  two: { dice_s: 0.75, hd_s: 5, volume_ml_s: 200 },
  three: { dice_s: 0.5, hd_s: infinity, volume_ml_s: 0 },
  four: { dice_s: nan, hd_s: nan, volume_ml_s: 0 },
  old: { dice_s: 1, hd_s: 0, volume_ml_s: 1 },
});
const b = rowsNamed({
  two: { dice_s: 0.25, hd_s: 6, volume_ml_s: 150 },
  one: { dice_s: 0.625, hd_s: 8, volume_ml_s: 110 },
  three: { dice_s: 0.5, hd_s: 20, volume_ml_s: 30 },
  four: { dice_s: nan, hd_s: infinity, volume_ml_s: 0 },
  new: { dice_s: 1, hd_s: 0, iou_s: 1 },
});

test('compareRuns pairs cases by name and takes differences B - A', () => {
  const { cases, onlyInA, onlyInB, metrics } = compareRuns(a, b);
  assert.equal([cases, onlyInA, onlyInB], [4, ['old'], ['new']]);
  assert.equal(Object.keys(metrics), ['dice_s', 'hd_s', 'volume_ml_s']);
  const { dice_s } = metrics;
  assert.equal([dice_s.n, dice_s.higher, dice_s.lower, dice_s.same], [3, 1, 1, 1]);
  assert.ok(Math.abs(dice_s.meanA! - 1.75 / 3) < 1e-12);
  assert.ok(Math.abs(dice_s.meanDifference! + 0.125) < 1e-12);
  assert.equal([dice_s.medianDifference, dice_s.betterIs], [0, 'higher']);
  // Ranks 1 (+) and 2 (-): a sum of 2 or more of the positive ones, or 1 or less, is half of all.
  assert.is(dice_s.p, 1);
  assert.ok(dice_s.ci95![0] >= -0.5 && dice_s.ci95![0] < -0.3 && dice_s.ci95![1] <= 0.125);
});

test('compareRuns names the cases that got worse most, whichever direction is better', () => {
  const { metrics } = compareRuns(a, b, { movers: 1 });
  assert.equal(metrics.dice_s.worstMovers, [{ case: 'two', a: 0.75, b: 0.25 }]);
  assert.equal(metrics.hd_s.worstMovers, [{ case: 'two', a: 5, b: 6 }]);
  assert.equal(metrics.volume_ml_s.worstMovers, [{ case: 'two', a: 200, b: 150 }]);
});

test('compareRuns leaves out what is undefined or infinite in a run, and names what changed in kind', () => {
  const { dice_s, hd_s } = compareRuns(a, b).metrics;
  assert.equal(dice_s.changedKind, []);
  assert.is(hd_s.n, 2);
  assert.equal(hd_s.changedKind, [
    { case: 'three', a: infinity, b: 20 },
    { case: 'four', a: nan, b: infinity },
  ]);
});

test('compareRuns of one case, or of none, has no intervals', () => {
  const one = compareRuns(a.slice(0, 1), b).metrics.dice_s;
  assert.equal([one.n, one.ci95, one.p], [1, null, 1]);
  assert.equal(compareRuns([], b), {
    cases: 0,
    onlyInA: [],
    onlyInB: ['two', 'one', 'three', 'four', 'new'],
    metrics: {},
    columns: {},
  });
  const nothing = compareRuns(a.slice(3, 4), b).metrics.dice_s;
  assert.equal([nothing.n, nothing.meanA, nothing.medianDifference, nothing.p], [0, null, null, null]);
});

test('comparisonTable fits a terminal of 80 columns, and names the columns that it leaves out', () => {
  const lines = comparisonTable(compareRuns(a, b), 80, false).split('\n');
  const table = lines.slice(lines.indexOf('') + 1, lines.lastIndexOf(''));
  for (const line of table) assert.ok(line.length <= 80, line);
  assert.match(table[0], /mean A +mean B +B - A .* p$/);
  assert.match(table.at(-1)!, /^Not shown: .*same\. --full prints all\.$/);
});

test('comparisonTable has a line per metric and lists the worst movers', () => {
  const text = comparisonTable(compareRuns(a, b));
  assert.match(text, /^4 case\(s\) in both runs/);
  assert.match(text, /Only in A, left out: old\./);
  assert.match(text, /dice_s +3 +0\.5833 +0\.4583 +-0\.1250 +-0\.\d+ to \+0\.\d+ +0\.0000 +1 +1 +1 +1\.0000/);
  assert.match(text, /dice_s, got worse the most: two 0\.75 → 0\.25\./);
  assert.match(text, /volume_ml_s, changed the most: two 200 → 150, three 0 → 30, one 100 → 110\./);
  assert.match(
    text,
    /hd_s, undefined or infinite in one run, left out: three inf → 20, four undefined → inf\./,
  );
});

test('comparisonTable shows many labels and metrics as a matrix of differences, unless all are asked for', () => {
  const labels = Array.from({ length: 9 }, (_, i) => `organ_${i}`);
  const rows = (by: number) =>
    rowsNamed(
      Object.fromEntries(
        ['one', 'two'].map((id, k) => [
          id,
          Object.fromEntries(
            labels.flatMap((label, i) => [
              [`dice_${label}`, 0.9 + (k === 1 && i === 3 ? by : 0)],
              [`hd_${label}`, k === 0 && i === 2 && by < 0 ? infinity : 4],
              [`hd95_${label}`, k === 0 && i === 2 && by < 0 ? infinity : 4],
            ]),
          ),
        ]),
      ),
    );
  const comparison = compareRuns(rows(0), rows(-0.5));
  const text = comparisonTable(comparison, 80, false);
  assert.match(text, /^2 case\(s\) in both runs\.\n\nB - A +dice +hd +hd95\norgan_0 +0\.0000 +0\.0000/);
  assert.match(text, /\norgan_3 +-0\.2500 /);
  assert.match(text, /--full prints the means/);
  assert.match(text, /\ndice, got worse the most: organ_3 in two 0\.9 → 0\.4\.\n/);
  assert.match(
    text,
    /\nhd_organ_2 and hd95_organ_2, undefined or infinite in one run, left out: one 4 → inf\.$/,
  );
  assert.match(comparisonTable(comparison), /\ndice_organ_8 +2 /);
});

test.run();
