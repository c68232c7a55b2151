import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from './e2e/harness.js';

/** The folders and single files of src/, from what stands on everything to what stands on nothing. */
const layers: readonly (readonly string[])[] = [
  ['cli', 'index'],
  ['train'],
  ['pipeline', 'synth'],
  ['sources', 'sinks'],
  ['operators'],
  ['models'],
  ['runtime'],
  ['report'],
  ['onnx'],
  ['formats', 'metrics'],
  ['case', 'options', 'machine', 'version'],
  ['volume'],
  ['errors'],
];

const layerOf = (part: string) => layers.findIndex((layer) => layer.includes(part));
const partOf = (path: string) => path.split('/')[0].replace(/\.[jt]s$/, '');

/** What one part of src/ takes from others; types, which vanish when it is compiled, are left out. */
function* imports(): Generator<{ file: string; from: string; to: string }> {
  const src = join(root, 'src');
  for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
    if (!/\.c?ts$/.test(file)) continue;
    const text = readFileSync(join(src, file), 'utf8');
    for (const [, path] of text.matchAll(/^(?:import|export) (?!type )[^;]*?from '(\.[^']+)';/gm)) {
      const to = partOf(relative(src, join(src, dirname(file), path)));
      if (to !== partOf(file)) yield { file, from: partOf(file), to };
    }
  }
}

test('every folder of src has its place in the layers', () => {
  for (const name of readdirSync(join(root, 'src')))
    assert.ok(layerOf(partOf(name)) >= 0, `${name} is in no layer`);
});

test('imports point one way, from the command line down to the voxels', () => {
  const all = [...imports()];
  assert.ok(all.length > 100, 'the imports were found');
  const against = all.filter(({ from, to }) => layerOf(to) <= layerOf(from));
  assert.equal(
    against.map(({ file, to }) => `${file} imports from ${to}`),
    [],
  );
});

test.run();
