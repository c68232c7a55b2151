import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { betterIn, parseColumn, presenceByLabel } from '#src/metrics/columns.js';

test('parseColumn parts the metric from the label, whatever the label is called', () => {
  assert.equal(parseColumn('dice_spleen'), { metric: 'dice', label: 'spleen' });
  assert.equal(parseColumn('hd95_left_kidney'), { metric: 'hd95', label: 'left_kidney' });
  assert.equal(parseColumn('hd99.5_1'), { metric: 'hd99.5', label: '1' });
  assert.equal(parseColumn('volume_ml_ref_liver'), { metric: 'volume_ml_ref', label: 'liver' });
  assert.equal(parseColumn('volume_ml_liver'), { metric: 'volume_ml', label: 'liver' });
  assert.is(parseColumn('seconds'), undefined);
});

test('betterIn knows shares and distances, and nothing of volumes', () => {
  assert.is(betterIn('nsd_spleen'), 'higher');
  assert.is(betterIn('directed_hd95_spleen'), 'lower');
  assert.is(betterIn('volume_ml_spleen'), undefined);
  assert.is(betterIn('my_own'), undefined);
});

test('presenceByLabel tells missed labels and one-sided ones from what there is', () => {
  const of = (metrics: Record<string, number>) => presenceByLabel(metrics).get('a');
  const [nan, infinity] = [Number.NaN, Number.POSITIVE_INFINITY];
  assert.equal(of({ dice_a: 0.5, hd_a: 3 }), { missed: false, oneSided: false });
  assert.equal(of({ dice_a: 0, hd_a: 60 }), { missed: true, oneSided: false });
  assert.equal(of({ dice_a: 0, hd_a: infinity }), { missed: true, oneSided: true });
  assert.equal(of({ sensitivity_a: 0, precision_a: nan }), { missed: true, oneSided: true });
  assert.equal(of({ volume_ml_a: 0, volume_ml_ref_a: 2 }), { missed: true, oneSided: true });
  assert.equal(of({ dice_a: nan, hd_a: infinity }), { missed: false, oneSided: true });
  assert.equal(of({ sensitivity_a: nan, precision_a: 0 }), { missed: false, oneSided: true });
  assert.equal(of({ dice_a: nan, hd_a: nan, precision_a: nan }), { missed: false, oneSided: false });
  assert.is(of({ dice_b: 0 }), undefined);
});

test.run();
