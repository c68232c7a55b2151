import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compile, useKeptCode } from '#src/codeCache.js';
import { collectGarbage } from '#src/runtime/garbage.js';
import { temporaryFolder } from './e2e/harness.js';

const numberOf = (text: string) => `exports.number = () => ${text};`;

/** A file of code, and a function that compiles it and returns what it exports. */
function codeFile(text: string) {
  const folder = temporaryFolder();
  const file = join(folder, 'chunk.cjs');
  const cache = join(folder, 'code/chunk');
  writeFileSync(file, text);
  const load = () => {
    const { script, keep } = compile(file, cache);
    const exports: { number?: () => number } = {};
    script.runInThisContext()(exports);
    return { number: exports.number?.(), keep };
  };
  return { file, cache, load };
}

test('compiled code is kept for this user alone, and used again', () => {
  const { cache, load } = codeFile(numberOf('41'));
  const first = load();
  assert.is(first.number, 41);
  first.keep?.();
  assert.is(statSync(cache).mode & 0o777, 0o600);
  assert.equal(load(), { number: 41, keep: undefined });
});

test('code of another text is not used, nor damaged code, nor code that others can change', () => {
  const { file, cache, load } = codeFile(numberOf('41'));
  load().keep?.();
  const kept = readFileSync(cache);
  const damages: Record<string, () => void> = {
    // V8 itself compares only the length.
    'another text': () => writeFileSync(file, numberOf('42')),
    'a changed byte': () => writeFileSync(cache, kept.with(kept.length - 9, kept[kept.length - 9] ^ 1)),
    'a cut file': () => writeFileSync(cache, kept.subarray(0, kept.length >> 1)),
    'an empty file': () => writeFileSync(cache, ''),
    'a file that others can change': () => chmodSync(cache, 0o666),
  };
  for (const [what, damage] of Object.entries(damages)) {
    writeFileSync(file, numberOf('41'));
    writeFileSync(cache, kept);
    chmodSync(cache, 0o600);
    assert.is(load().keep, undefined);
    damage();
    const { number, keep } = load();
    assert.is(number, what === 'another text' ? 42 : 41, what);
    assert.type(keep, 'function', what);
  }
});

test('code stays usable when garbage collection is set up, which changes a flag of V8', () => {
  const { load } = codeFile(numberOf('41'));
  useKeptCode();
  load().keep?.();
  collectGarbage();
  assert.is(load().keep, undefined);
});

test('where nothing can be written, code is compiled each time', () => {
  const { file, cache, load } = codeFile(numberOf('41'));
  writeFileSync(join(cache, '..'), '');
  load().keep?.();
  assert.is(load().number, 41);
  assert.not(existsSync(cache));
  // Node's recursive mkdir would never end there.
  compile(file, '/proc/voxstream/code/chunk').keep?.();
});

test.run();
