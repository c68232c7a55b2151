import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decimalsFor, showNumber, showSeconds, showWholeSeconds } from '#src/report/text.js';

test('numbers have three digits or so, and a real minus sign', () => {
  assert.equal([0.5, 1, 5, 50, 500, 5000].map(decimalsFor), [3, 3, 2, 1, 0, 0]);
  assert.is(showNumber(-0.25, 2), '−0.25');
  assert.is(showNumber(-0.001, 2), '0.00');
  assert.is(showNumber(Number.NaN, 2), '–');
  assert.is(showNumber(-Infinity, 2), '−∞');
});

test('seconds are rounded to the unit that they are shown in', () => {
  assert.equal([4.25, 9.97, 42.4, 59.7, 200, 3900].map(showSeconds), [
    '4.3 s',
    '10 s',
    '42 s',
    '1 min 00 s',
    '3 min 20 s',
    '1 h 05 min',
  ]);
  assert.equal([4.25, 119.7, 3599.6].map(showWholeSeconds), ['4 s', '2 min 00 s', '1 h 00 min']);
});

test.run();
