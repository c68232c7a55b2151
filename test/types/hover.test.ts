import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from '../e2e/harness.js';
import { LanguageServer } from './languageServer.js';

const file = join(root, 'build/hover.ts');
const lines = [
  `import { decathlon, niftiSink, spacing } from 'voxstream';`,
  `spacing({ pixdim: [1, 1, 1], paddingMode: 'zeros' });`,
  `niftiSink('out', { dtype: 'uint8' });`,
  `decathlon({ root: 'data' });`,
];
const server = new LanguageServer();
test.after(() => server.close());

/** What an editor shows for a word in one of the lines. */
const hover = (line: number, word: string) => server.hover(file, line, lines[line].indexOf(word) + 1);

test('an editor shows what an operator does, and the plain types of its options', async () => {
  await server.open(file, `${lines.join('\n')}\n`);
  const shown = await hover(1, 'spacing');
  assert.match(shown, /Resamples volumes to voxels of `pixdim` mm/);
  assert.match(shown, /readonly pixdim: readonly \[number, number, number\];/);
  assert.match(shown, /readonly paddingMode\?: "border" \| "zeros" \| undefined;/);
  assert.not.match(shown, /Zod/);
});

test('an editor shows the description, unit and default of an option', async () => {
  assert.match(await hover(1, 'pixdim'), /Voxel size per axis: three positive numbers in mm\.$/);
  assert.match(await hover(1, 'paddingMode'), /Values outside the volume\. Default: "border"\.$/);
  assert.match(await hover(2, 'dtype'), /Voxel type; auto is .* Default: "auto"\.$/);
  assert.match(await hover(3, 'root'), /The dataset's folder/);
});

test.run();
