import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { presenceByLabel } from '#src/metrics/presence.js';
import { valuesNamed } from './values.js';

const [nan, infinity] = [Number.NaN, Number.POSITIVE_INFINITY];
const presences = (named: Record<string, number>) => presenceByLabel(valuesNamed(named));

test('presenceByLabel finds missed labels and one-sided ones', () => {
  const of = (named: Record<string, number>) => presences(named).get('a');
  assert.equal(of({ dice_a: 0.5, hd_a: 3 }), { missed: false, oneSided: false });
  assert.equal(of({ dice_a: 0, hd_a: 60 }), { missed: true, oneSided: false });
  assert.equal(of({ dice_a: 0, hd_a: infinity }), { missed: true, oneSided: true });
  assert.equal(of({ sensitivity_a: 0, precision_a: nan }), { missed: true, oneSided: true });
  assert.equal(of({ volume_ml_a: 0, volume_ml_ref_a: 2 }), { missed: true, oneSided: true });
  assert.equal(of({ dice_a: nan, hd_a: infinity }), { missed: false, oneSided: true });
  assert.equal(of({ sensitivity_a: nan, precision_a: 0 }), { missed: false, oneSided: true });
  assert.equal(of({ volume_ml_a: 2, volume_ml_ref_a: 0 }), { missed: false, oneSided: true });
  assert.equal(of({ dice_a: nan, hd_a: nan, precision_a: nan }), { missed: false, oneSided: false });
  assert.is(of({ dice_b: 0 }), undefined);
});

test('the mean over labels is not mixed with a label named mean', () => {
  const metric = valuesNamed({ dice_a: 0 })[0].metric;
  const found = presenceByLabel([
    { metric, label: 'mean', value: 0 },
    { metric, label: null, value: 0.5 },
  ]);
  assert.equal([found.get('mean')?.missed, found.get(null)?.missed], [true, false]);
});

test('values of the case as a whole say nothing about labels', () => {
  assert.is(presences({ seconds: 0 }).size, 0);
});

test.run();
