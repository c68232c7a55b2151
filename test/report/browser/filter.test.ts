import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseFilter } from '#src/report/browser/page/filter.js';
import type { PageCase } from '#src/report/browserData.js';
import { columns, pageCase } from './cases.js';

const cases = [
  { ...pageCase('CT_1', [0.5, 12, 0.9, 3]), groups: ['St. Mary'] },
  { ...pageCase('CT_2', [0.9, 'inf', 0.7, 8]), groups: ['GE'] },
  pageCase('MR_a<b', [null, null, 0.8, 5]),
];

const context = { columns, groups: ['scanner'], hasMark: ({ id }: PageCase) => id === 'CT_2' };
const passing = (text: string, label = 'spleen') =>
  cases.filter(parseFilter(text, { ...context, label })).map(({ id }) => id);

test('words are parts of names, in upper or lower case, and all of them must be there', () => {
  assert.equal(passing(''), ['CT_1', 'CT_2', 'MR_a<b']);
  assert.equal(passing('ct'), ['CT_1', 'CT_2']);
  assert.equal(passing(' 2  ct '), ['CT_2']);
});

test('a metric alone refers to the chosen label, a column name to its own', () => {
  assert.equal(passing('dice<0.8'), ['CT_1']);
  assert.equal(passing('dice<0.8', 'liver'), ['CT_2']);
  assert.equal(passing('dice_liver >= 0.8'), ['CT_1', 'MR_a<b']);
});

test('infinite values can be compared, undefined ones pass no condition', () => {
  assert.equal(passing('hd95=inf'), ['CT_2']);
  assert.equal(passing('hd95>10'), ['CT_1', 'CT_2']);
  assert.equal(passing('dice<=1'), ['CT_1', 'CT_2']);
});

test('a comparison with something that is not a column is a part of a name', () => {
  assert.equal(passing('a<b'), ['MR_a<b']);
});

test('a condition without a number is an error', () => {
  assert.throws(() => passing('dice<'), /^dice< needs a number$/);
  assert.throws(() => passing('dice>=high'), /^dice>= needs a number$/);
});

test('subgroups are compared as texts, in quotes where they have spaces', () => {
  assert.equal(passing('scanner=ge'), ['CT_2']);
  assert.equal(passing('scanner = "St. Mary" dice < 0.8'), ['CT_1']);
  assert.equal(passing('"scanner"=""'), ['MR_a<b']);
});

test('marks are asked for with is:, and an unknown one is an error', () => {
  assert.equal(passing('is:Flagged'), ['CT_2']);
  assert.throws(() => passing('is:good'), /^is: needs flagged, noted or outlier$/);
});

test.run();
