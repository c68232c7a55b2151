import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '#src/errors.js';
import { decimalsFor as decimalsOfTable } from '#src/metrics/table.js';
import { spacing } from '#src/operators/spacing.js';
import { decimalsFor as decimalsOfText } from '#src/report/text.js';
import { root } from './e2e/harness.js';

const dist = join(root, 'dist');

/** The files that Node loads for a file of the build before it runs it. */
function loadedWith(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(file, 'utf8');
  for (const [, path] of text.matchAll(/^(?:import|export|\}) ?[^'"]*?(?:from )?['"](\.[^'"]+)['"];/gm)) {
    loadedWith(resolve(dirname(file), path), found);
  }
  for (const [, chunk] of text.matchAll(/\b(?:loadChunk\('|require\("\.\/)(\w+)/g)) {
    loadedWith(join(dist, 'chunks', `${chunk}.cjs`), found);
  }
  return found;
}

test('a run and its threads load few files', () => {
  const run = loadedWith(join(dist, 'cli/run.js'));
  assert.ok(run.size > 5, 'imports were found');
  assert.ok(run.size < 60, `cli/run.js loads ${run.size} files`);
  for (const file of ['runtime/sessionWorker.js', 'runtime/runTask.js', 'cli/index.js']) {
    const loaded = loadedWith(join(dist, file));
    assert.ok(loaded.size < 20, `${file} loads ${loaded.size} files`);
  }
});

test('the package and the files of its modules export the same functions and classes', async () => {
  const index = await import(pathToFileURL(join(dist, 'index.js')).href);
  assert.is(index.spacing, spacing);
  assert.is(index.DataError, DataError);
});

test('chunks are ASCII, as `loadChunk` reads them', () => {
  const chunks = readdirSync(join(dist, 'chunks')).filter((file) => file.endsWith('.cjs'));
  assert.ok(chunks.length > 5);
  for (const file of chunks) {
    const bytes = readFileSync(join(dist, 'chunks', file));
    assert.ok(
      bytes.every((byte) => byte < 128),
      file,
    );
  }
});

test('functions whose names occur twice in a chunk keep them, so that tasks find them', () => {
  assert.equal([decimalsOfTable.name, decimalsOfText.name], ['decimalsFor', 'decimalsFor']);
});

test.run();
