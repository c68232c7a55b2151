import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MetricsRow } from '#src/metrics/metric.js';
import { summarize, summaryTable } from '#src/metrics/summary.js';
import { valuesNamed } from './values.js';

const [nan, infinity] = [Number.NaN, Number.POSITIVE_INFINITY];

const column = (values: readonly number[], name = 'dice_spleen'): MetricsRow[] =>
  values.map((value, i) => ({ case: `case_${i}`, metrics: valuesNamed({ [name]: value }) }));

test('summarize gives the statistics of a column and the cases of its extremes', () => {
  const { cases, metrics } = summarize(column([0.9, 0.7, 0.8, 0.9, 0.6]));
  const { ci95, ...found } = metrics.dice_spleen;
  assert.is(cases, 5);
  // numpy: mean, std(ddof=1), median, percentile
  const near = (value: number | null | undefined, expected: number) =>
    assert.ok(Math.abs(value! - expected) < 1e-12, `${value} is not ${expected}`);
  near(found.mean, 0.78);
  near(found.std, 0.13038404810405);
  near(found.median, 0.8);
  near(found.percentiles?.[5], 0.62);
  near(found.percentiles?.[25], 0.7);
  near(found.percentiles?.[75], 0.9);
  near(found.percentiles?.[95], 0.9);
  assert.equal([found.n, found.min, found.minCase], [5, 0.6, 'case_4']);
  assert.equal([found.max, found.maxCase], [0.9, 'case_0']);
  assert.ok(ci95![0] > 0.6 && ci95![0] < 0.74 && ci95![1] > 0.82 && ci95![1] < 0.9);
});

test('the table fits a narrow terminal: columns are left out, then names are shortened', () => {
  const long = 'dice_left_upper_lobe_of_the_lung_without_vessels';
  const summary = summarize([
    ...column([0.9, 0.7, 0.8], long),
    { case: 'a_case_with_a_name_of_many_words_and_a_date_20261126', metrics: valuesNamed({ [long]: 0.1 }) },
  ]);
  const whole = summaryTable(summary).split('\n');
  assert.ok(whole[0].includes('25 to 75 %') && whole[1].includes(long));
  for (const width of [120, 100, 80, 60]) {
    const lines = summaryTable(summary, width, false).split('\n').slice(0, 2);
    assert.ok(
      lines.every((line) => line.length <= width),
      `${width}:\n${lines.join('\n')}`,
    );
    assert.match(lines[0], /mean +.*median +.*worst case$/);
  }
  assert.match(summaryTable(summary, 80, false), /^dice_left_\S*…\S*vessels /m);
});

test('a table that leaves out columns names them, and the full table continues below', () => {
  const summary = summarize(column([0.9, 0.7, 0.8], 'dice_a_rather_long_name_of_a_label'));
  assert.match(summaryTable(summary, 80, false), /\nNot shown: .*std.*\. --full prints all\.$/);
  const full = summaryTable(summary, 80).split('\n');
  for (const line of full) assert.ok(line.length <= 80, line);
  const shown = full.join(' ');
  for (const head of ['95 % CI', 'std', '25 to 75 %', 'max', 'worst case'])
    assert.ok(shown.includes(head), head);
  assert.not.match(summaryTable(summary, 200, false), /Not shown/);
});

test('summarize leaves undefined and infinite values out and names their cases', () => {
  const { hd_spleen } = summarize(column([nan, 4, infinity, 6], 'hd_spleen')).metrics;
  assert.equal([hd_spleen.n, hd_spleen.mean, hd_spleen.maxCase], [2, 5, 'case_3']);
  assert.equal(hd_spleen.undefined, ['case_0']);
  assert.equal(hd_spleen.infinite, ['case_2']);
  assert.equal(hd_spleen.countedAsWorst, []);
});

test('summarize counts the worst value where a label is in one mask only, if asked to', () => {
  const rows = [
    { case: 'good', metrics: valuesNamed({ dice_a: 0.8, hd_a: 5 }) },
    { case: 'invented', metrics: valuesNamed({ dice_a: nan, hd_a: infinity }) },
    { case: 'both empty', metrics: valuesNamed({ dice_a: nan, hd_a: nan }) },
    { case: 'missed', metrics: valuesNamed({ dice_a: 0, hd_a: infinity }) },
  ];
  const { dice_a, hd_a } = summarize(rows, { undefinedAs: 'worst' }).metrics;
  assert.equal([dice_a.n, dice_a.worstValue, dice_a.countedAsWorst], [3, 0, ['invented']]);
  assert.ok(Math.abs(dice_a.mean! - 0.8 / 3) < 1e-12);
  assert.equal(dice_a.undefined, ['invented', 'both empty']);
  assert.equal([hd_a.n, hd_a.mean, hd_a.worstValue], [3, 5, 5]);
  assert.equal(hd_a.countedAsWorst, ['invented', 'missed']);
});

test('summarize names the cases where a label was missed, whatever the counting', () => {
  const rows = [
    { case: 'a', metrics: valuesNamed({ dice_spleen: 0, dice_liver: 0.5, dice_mean: 0.25 }) },
    { case: 'b', metrics: valuesNamed({ dice_spleen: 0.3, dice_liver: 0, dice_mean: 0.15 }) },
    { case: 'c', metrics: valuesNamed({ dice_spleen: 0, dice_liver: 0, dice_mean: 0 }) },
  ];
  assert.equal(summarize(rows).missed, { spleen: ['a', 'c'], liver: ['b', 'c'] });
});

test('summarize takes a column over the cases that have it, and copes with one and none', () => {
  const rows = [...column([0.5]), { case: 'other', metrics: valuesNamed({ iou_spleen: nan }) }];
  const { dice_spleen, iou_spleen } = summarize(rows).metrics;
  assert.equal([dice_spleen.n, dice_spleen.mean, dice_spleen.std, dice_spleen.ci95], [1, 0.5, null, null]);
  assert.equal([iou_spleen.n, iou_spleen.mean, iou_spleen.maxCase], [0, null, null]);
  assert.equal(summarize([]), {
    cases: 0,
    undefinedAs: 'leftOut',
    metrics: {},
    columns: {},
    missed: {},
  });
  assert.equal(JSON.parse(JSON.stringify(summarize(rows))), summarize(rows));
});

test('the bootstrap interval of the mean is near the normal one for many values, and repeats with its seed', () => {
  const values = Array.from({ length: 200 }, (_, i) => (i * 37) % 200);
  const rows = column(values, 'volume_ml_a');
  const [low, high] = summarize(rows, { seed: 1 }).metrics.volume_ml_a.ci95!;
  // mean 99.5, standard error 57.879 / sqrt(200) = 4.0927
  assert.ok(Math.abs(low - (99.5 - 1.96 * 4.0927)) < 0.5);
  assert.ok(Math.abs(high - (99.5 + 1.96 * 4.0927)) < 0.5);
  assert.equal(summarize(rows, { seed: 1 }).metrics.volume_ml_a.ci95, [low, high]);
  assert.not.equal(summarize(rows, { seed: 2 }).metrics.volume_ml_a.ci95, [low, high]);
});

test('summaryTable has a line per metric, and tells what was left out and missed', () => {
  const rows = [
    { case: 'a', metrics: valuesNamed({ dice_spleen: 0.5, hd_spleen: 10 }) },
    { case: 'b', metrics: valuesNamed({ dice_spleen: 0, hd_spleen: infinity }) },
  ];
  const lines = summaryTable(summarize(rows)).split('\n');
  assert.is(lines.length, 4);
  assert.match(lines[1], /^dice_spleen +2 +0\.2500 +0\.0000 to 0\.5000 .* b$/);
  assert.match(lines[2], /^hd_spleen +1 +10\.00 +- +- +10\.00 .* b$/);
  assert.is(lines[3], 'spleen was missed in 1 of 2 cases; hd is infinite there and left out: b.');
  const worst = summaryTable(summarize(rows, { undefinedAs: 'worst' }));
  assert.match(worst, /spleen was missed in 1 of 2 cases; hd is infinite there and counted as 10: b\./);
  assert.is(summaryTable(summarize([])), '');
});

test('summaryTable joins columns of a label whose values are odd in the same cases', () => {
  const rows = [
    { case: 'a', metrics: valuesNamed({ dice_spleen: nan, hd_spleen: nan, dice_liver: nan, hd_liver: 3 }) },
    { case: 'b', metrics: valuesNamed({ dice_spleen: 1, hd_spleen: 2, dice_liver: 0.5, hd_liver: 3 }) },
  ];
  const [, , , , , ...notes] = summaryTable(summarize(rows)).split('\n');
  assert.equal(notes, [
    'dice and hd of spleen: 1 undefined, left out: a.',
    'dice_liver: 1 undefined, left out: a.',
  ]);
});

test('summaryTable shows many labels and metrics as a matrix of means in lines of the given width', () => {
  const labels = ['spleen', 'liver', 'left kidney', 'pancreas'];
  const metrics = ['dice', 'iou', 'nsd', 'hd', 'hd95'];
  const row = (id: string, value: number) => ({
    case: id,
    metrics: metrics.flatMap((metric) =>
      labels.flatMap((label, k) => {
        const [found] = valuesNamed({ [`${metric}_x`]: value + k / 10 });
        return metric === 'hd95' && label === 'liver' ? [] : [{ ...found, label }];
      }),
    ),
  });
  const summary = summarize([row('a', 0.2), row('b', 0.4)]);
  const narrow = summaryTable(summary, 40, false).split('\n');
  assert.is(Math.max(...narrow.slice(0, -1).map(({ length }) => length)) <= 40, true, narrow.join('\n'));
  assert.is(narrow[0], 'mean           dice     iou     nsd');
  assert.is(narrow[2], 'liver        0.4000  0.4000  0.4000');
  assert.is(narrow[6], 'mean             hd    hd95');
  assert.is(narrow[8], 'liver        0.4000       -');
  assert.match(narrow.at(-1)!, /--full prints all statistics/);
  assert.is(summaryTable(summary, 80, false).split('\n').length, 6);
  assert.is(summaryTable(summary).split('\n').length, 20, 'a head and 19 columns');
});

test.run();
