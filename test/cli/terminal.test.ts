import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clip } from '#src/cli/clip.js';
import { bar, fitted, shortNumber } from '#src/cli/terminal.js';

test('text is clipped by its columns, regardless of its characters and styles', () => {
  assert.is(clip('case_1: load', 12), 'case_1: load');
  assert.is(clip('case_1: load', 11), 'case_1: lo…');
  assert.is(clip('病例: load', 10), '病例: load');
  assert.is(clip('病例: load', 9), '病例: lo…');
  assert.is(clip('\u001b[32m████\u001b[39m 1/2', 8), '\u001b[32m████\u001b[39m 1/2');
});

test('sentences are wrapped at spaces on a terminal, and stay whole elsewhere', () => {
  const text = 'voxstream: There is no such file here.\n  1. load: keys and more of them';
  assert.is(
    fitted(text, { isTTY: true, columns: 24 }),
    'voxstream: There is no\n    such file here.\n  1. load: keys and more\n      of them',
  );
  assert.is(fitted(text, { isTTY: false, columns: 0 }), text);
});

test('a bar has ten to thirty columns, or none', () => {
  assert.is(bar(1, 4, 12), '███░░░░░░░░░');
  assert.is(bar(4, 4, 10), '██████████');
  assert.is(bar(4, 4, 9), '');
  assert.is(bar(0, 0, 100), '░'.repeat(30));
});

test('numbers have four significant digits', () => {
  assert.equal([0.123456, 12345.6, 'inf'].map(shortNumber), ['0.1235', '12350', 'inf']);
});

test.run();
