import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { synthDataset } from '#src/synth/dataset.js';
import { spacingOf } from '#src/volume/affine.js';
import { axcodesOf } from '#src/volume/orientation.js';
import { root, temporaryFolder } from './e2e/harness.js';

const blocks = (file: string, language: string) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/```(\w+)\n(.*?)```/gs)]
    .filter(([, found]) => found === language)
    .map(([, , text]) => text);

test('the TypeScript of the guide and the README runs as it stands: load, orient, spacing, save', async () => {
  const [guide] = blocks('docs/guide.md', 'ts');
  const [readme] = blocks('README.md', 'ts');
  assert.is(readme, guide);
  const folder = temporaryFolder();
  await synthDataset(join(folder, 'set'), {
    cases: 0,
    testCases: 2,
    seed: 1,
    size: [32, 30, 20],
    labels: 'spleen',
  });
  symlinkSync(join(folder, 'set/imagesTs'), join(folder, 'in'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/voxstream'));
  symlinkSync(join(root, 'node_modules/rxjs'), join(folder, 'node_modules/rxjs'));
  // The example has no types in it, so it is JavaScript as well.
  writeFileSync(join(folder, 'example.mjs'), guide);
  const { status, stderr } = spawnSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' });
  assert.is(status, 0, stderr);
  const made = readdirSync(join(folder, 'respaced'));
  assert.is(made.length, 2);
  for (const name of made) {
    const volume = await readVolume(join(folder, 'respaced', name), { kind: 'image' });
    assert.is(axcodesOf(volume.affine), 'RAS');
    assert.ok(spacingOf(volume.affine).every((mm, axis) => Math.abs(mm - [1.5, 1.5, 2][axis]) < 1e-3));
  }
});

test('the pipelines in the guide and the README are valid', () => {
  const found = [...blocks('docs/guide.md', 'yaml'), ...blocks('README.md', 'yaml')];
  assert.is(found.length, 2);
  for (const text of found) assert.ok(parsePipeline(text).steps.length > 0);
});

test('the package that extending.md builds is the example package, file by file', () => {
  const text = readFileSync(join(root, 'docs/extending.md'), 'utf8');
  const files = [...text.matchAll(/`([\w./]+)`:\n\n```\w+\n(.*?)```/gs)];
  const example = join(root, 'examples/operator-package');
  for (const [, file, content] of files) assert.is(content, readFileSync(join(example, file), 'utf8'), file);
  const told = files.map(([, file]) => file).sort();
  const there = readdirSync(example, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.includes('.'),
  );
  assert.equal(told, there.filter((file) => !/^(dist|node_modules)/.test(file)).sort());
});

test('the pipelines that ship are valid', () => {
  for (const name of readdirSync(join(root, 'pipelines')).filter((file) => file.endsWith('.yaml'))) {
    const text = readFileSync(join(root, 'pipelines', name), 'utf8');
    assert.match(
      text,
      /^# yaml-language-server: .*\n#\n# .*\n(#.*\n)*# {3}voxstream /,
      `${name} says how to run it`,
    );
    assert.ok(parsePipeline(text, name).steps.length > 0);
  }
});

test.run();
