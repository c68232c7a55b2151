import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mergeNotes, notesJson, parseNotes } from '#src/report/userNotes.js';

const note = (text: string, changed: string) => ({ flagged: true, text, changed });
const [early, late] = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z'];

test('notes come back as they were written, whatever the case is called', () => {
  const notes = new Map([
    ['__proto__', note('a "quoted" </script>', early)],
    ['b', note('', late)],
  ]);
  assert.equal([...parseNotes(notesJson(notes))], [...notes]);
});

test('of two notes on a case, the newer one stays', () => {
  const a = new Map([
    ['x', note('old', early)],
    ['y', note('new', late)],
  ]);
  const b = new Map([
    ['x', note('new', late)],
    ['y', note('old', early)],
    ['z', note('other', early)],
  ]);
  assert.equal(
    [...mergeNotes(a, b)].map(([id, { text }]) => [id, text]),
    [
      ['x', 'new'],
      ['y', 'new'],
      ['z', 'other'],
    ],
  );
});

test('a file that has no notes is refused with the reason', () => {
  const reason = (content: string) => {
    try {
      parseNotes(content);
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  };
  const file = (...cases: unknown[]) => JSON.stringify({ format: 'voxstream-notes-1', cases });
  assert.match(reason('{')!, /^it is not JSON/);
  assert.match(reason('null')!, /does not have "format": "voxstream-notes-1" and a list "cases"/);
  assert.match(reason('{"format":"voxstream-notes-1"}')!, /a list "cases"/);
  const good = { case: 'a', flagged: true, text: '', changed: early };
  for (const bad of [null, { ...good, case: 1 }, { ...good, flagged: 'yes' }, { ...good, changed: 'now' }]) {
    assert.match(reason(file(good, bad))!, /^entry 2 of "cases" must have/, JSON.stringify(bad));
  }
});

test.run();
