import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decimalsFor, embedJson, escapeHtml, niceTicks, showNumber, showSeconds } from '#src/report/text.js';

test('text stays text in HTML, in attributes too', () => {
  assert.is(escapeHtml(`<b title="a&b">it's</b>`), '&lt;b title=&quot;a&amp;b&quot;&gt;it&#39;s&lt;/b&gt;');
});

test('embedded JSON cannot end its element, and comes back the same', () => {
  const value = { id: '</script><!--<script>' };
  assert.not.ok(embedJson(value).includes('<'));
  assert.equal(JSON.parse(embedJson(value)), value);
});

test('numbers have three digits or so, and a real minus sign', () => {
  assert.equal([0.5, 1, 5, 50, 500, 5000].map(decimalsFor), [3, 3, 2, 1, 0, 0]);
  assert.is(showNumber(-0.25, 2), '−0.25');
  assert.is(showNumber(-0.001, 2), '0.00');
  assert.is(showNumber(Number.NaN, 2), '–');
  assert.is(showNumber(-Infinity, 2), '−∞');
});

test('seconds are told as a person would', () => {
  assert.equal([4.25, 42.4, 200, 3900].map(showSeconds), ['4.3 s', '42 s', '3 min 20 s', '1 h 05 min']);
});

test('ticks are round numbers inside the range', () => {
  assert.equal(niceTicks(0.83, 0.96, 7), [0.84, 0.86, 0.88, 0.9, 0.92, 0.94, 0.96]);
  assert.equal(niceTicks(-62, 3, 6), [-60, -40, -20, 0]);
});

test.run();
