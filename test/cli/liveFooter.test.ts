import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { liveFooter } from '#src/cli/liveFooter.js';
import { TestScreen } from './screen.js';

test('permanent lines are above the live lines, and nothing else remains', () => {
  const screen = new TestScreen(40);
  let count = 0;
  const footer = liveFooter(screen, () => [`frame ${++count}`, 'lanes'].slice(0, count === 2 ? 1 : 2));
  footer.say('reset', 'first');
  assert.is(screen.text, 'first\nframe 1\nlanes');
  footer.say('red', 'second');
  assert.is(screen.text, 'first\nsecond\nframe 2');
  footer.say('reset', 'third');
  assert.is(screen.text, 'first\nsecond\nthird\nframe 3\nlanes');
  footer.end();
  assert.is(screen.text, 'first\nsecond\nthird');
});

test('wide characters that fill more than one line are erased completely', () => {
  const screen = new TestScreen(20);
  // 24 columns: two lines of the terminal, although only 12 characters.
  const footer = liveFooter(screen, () => ['脾'.repeat(12), 'end']);
  for (const line of ['病例一', '病例二', '病例三']) footer.say('reset', line);
  assert.is(screen.text, ['病例一', '病例二', '病例三', '脾'.repeat(10), '脾脾', 'end'].join('\n'));
  footer.end();
  assert.is(screen.text, '病例一\n病例二\n病例三');
});

test('messages after the end stay, and nothing is drawn', () => {
  const screen = new TestScreen(40);
  const footer = liveFooter(screen, () => ['frame']);
  footer.say('reset', 'first');
  footer.end();
  footer.say('yellow', 'late');
  footer.end();
  assert.is(screen.text, 'first\nlate');
});

test('a terminal of unknown size counts as 80 columns wide', () => {
  const widths: number[] = [];
  const screen = new TestScreen(80);
  const output = { write: screen.write, isTTY: true, columns: 0, rows: 0 };
  const footer = liveFooter(output, (width) => [`${widths.push(width)}`]);
  footer.say('reset', 'a');
  footer.end();
  assert.equal(widths, [79]);
});

test.run();
