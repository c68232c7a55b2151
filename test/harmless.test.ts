import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { csvText, printable, readCsvText, visible, wellFormed, withoutActing } from '#src/harmless.js';

test('characters that act become visible, others stay', () => {
  assert.is(
    visible('a\u001b[2J\n\u202eb\u0085\ud800\ufeff'),
    'a\\u001b[2J\\u000a\\u202eb\\u0085\\ud800\\ufeff',
  );
  assert.is(visible('Käse 肝臓 \u{1f600} عربى'), 'Käse 肝臓 \u{1f600} عربى');
  assert.is(printable('a\n\tb\r'), 'a\n\tb\\u000d');
  assert.is(withoutActing('a\nb\u009b'), 'a_b_');
  assert.is(wellFormed('a\ud800b\u{1f600}\udc00'), 'a\ufffdb\u{1f600}\ufffd');
  const text = JSON.stringify({ id: 'a\u009b\u202e\ud800' });
  assert.equal(JSON.parse(visible(text)), JSON.parse(text));
});

test('no cell is a formula, and every text comes back', () => {
  for (const text of ['=1', '+1', '-1', '@a', '\t=1', '\r=1', "'=1", "''=1", "'a", '', 'a=1', "'", 'ct_1']) {
    assert.not.match(csvText(text), /^[=+\-@\t\r]/);
    assert.is(readCsvText(csvText(text)), text);
  }
  assert.is(csvText('ct_1'), 'ct_1');
  // Other tools write such texts as they are.
  assert.is(readCsvText('=1'), '=1');
});

test.run();
