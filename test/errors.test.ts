import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listNames, nearestName, show, showBytes, unknownName } from '#src/errors.js';

test('nearestName finds a misspelt name and nothing far away', () => {
  const names = ['orient', 'spacing', 'scaleIntensityRange'];
  assert.is(nearestName('oreint', names), 'orient');
  assert.is(nearestName('Spacing', names), 'spacing');
  assert.is(nearestName('scaleIntensity', names), undefined);
  assert.is(nearestName('zebra', names), undefined);
});

test('unknownName gives the nearest name, or all of them', () => {
  assert.is(
    unknownName('operator', 'oreint', ['orient']),
    'there is no operator "oreint"; did you mean "orient"?',
  );
  assert.is(unknownName('operator', 'x', ['b', 'a']), 'there is no operator "x"; known are a and b.');
});

test('show prints nested values readably and keeps messages short', () => {
  assert.is(show({ pixdim: [1.5, 0, 2], mode: 'nearest' }), '{ pixdim: [1.5, 0, 2], mode: "nearest" }');
  assert.is(show('x'.repeat(200)).length, 120);
});

test('listNames and showBytes read as a sentence does', () => {
  assert.is(listNames(['a', 'b', 'c'], 'or'), 'a, b or c');
  assert.is(showBytes(1536), '1.5 KiB');
});

test.run();
