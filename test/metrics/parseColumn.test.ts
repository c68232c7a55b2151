import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { columnName } from '#src/metrics/columns.js';
import { builtInColumn } from './values.js';

const parsed = (name: string) => {
  const { metric, label } = builtInColumn(name);
  return [metric.name, label];
};

test('a name is taken apart into metric and label, whatever the label is called', () => {
  assert.equal(parsed('dice_spleen'), ['dice', 'spleen']);
  assert.equal(parsed('hd95_left_kidney'), ['hd95', 'left_kidney']);
  assert.equal(parsed('hd99.5_1'), ['hd99.5', '1']);
  assert.equal(parsed('directed_hd_a_b'), ['directed_hd', 'a_b']);
  assert.equal(parsed('asd_mean'), ['asd', null]);
  assert.equal(parsed('volume_ml_ref_liver'), ['volume_ml_ref', 'liver']);
  assert.equal(parsed('volume_ml_liver'), ['volume_ml', 'liver']);
  // Volumes have no mean over labels.
  assert.equal(parsed('volume_ml_mean'), ['volume_ml', 'mean']);
});

test('a column that no metric is known for keeps its name, and has no label and no direction', () => {
  for (const name of ['seconds', 'dice', 'my_own', '_dice', 'dice_', 'hd0_a', 'hdx_a', 'hd_']) {
    assert.equal(parsed(name), [name, null]);
    const { metric } = builtInColumn(name);
    assert.equal([metric.title, metric.better, metric.unit], [name, undefined, undefined]);
    assert.is(columnName(builtInColumn(name)), name);
  }
});

test('the name of every built-in column is read as it was written', () => {
  for (const name of [
    'dice_a',
    'iou_mean',
    'hd_a',
    'hd95_mean',
    'nsd_b',
    'volume_relative_a',
    'components_ref_1',
  ]) {
    assert.is(columnName(builtInColumn(name)), name);
  }
});

test('metrics know title, unit, direction and range', () => {
  const about = (name: string) => {
    const { title, unit, better, range } = builtInColumn(name).metric;
    return [title, unit, better, range];
  };
  const infinity = Number.POSITIVE_INFINITY;
  assert.equal(about('nsd_spleen'), ['Surface Dice', undefined, 'higher', [0, 1]]);
  assert.equal(about('directed_hd95_spleen'), ['Directed HD95', 'mm', 'lower', [0, infinity]]);
  assert.equal(about('hd_spleen'), ['Hausdorff', 'mm', 'lower', [0, infinity]]);
  assert.equal(about('volume_ml_spleen'), ['Volume', 'mL', undefined, [0, infinity]]);
  assert.equal(about('volume_difference_ml_spleen'), ['Difference', 'mL', undefined, [-infinity, infinity]]);
});

test.run();
