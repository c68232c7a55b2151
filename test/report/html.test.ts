import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { embedJson, escapeHtml, html, raw, tableRow } from '#src/report/html.js';

test('text stays text in HTML, in attributes too', () => {
  assert.is(escapeHtml(`<b title="a&b">it's</b>`), '&lt;b title=&quot;a&amp;b&quot;&gt;it&#39;s&lt;/b&gt;');
});

test('templates escape what is not HTML', () => {
  assert.is(html`<p>${'<b>'}${1}${raw('<i>')}${[raw('a'), raw('b')]}</p>`.html, '<p>&lt;b&gt;1<i>ab</p>');
  assert.is(tableRow(['a<', 1]).html, '<tr><th scope="row">a&lt;</th><td>1</td></tr>');
});

test('embedded JSON cannot end its element, and comes back the same', () => {
  const value = { id: '</script><!--<script>' };
  assert.not.ok(embedJson(value).includes('<'));
  assert.equal(JSON.parse(embedJson(value)), value);
});

test.run();
