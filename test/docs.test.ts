import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse as parseYaml } from 'yaml';
import { readVolume } from '#src/formats/index.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { synthDataset } from '#src/synth/dataset.js';
import { spacingOf } from '#src/volume/affine.js';
import { axcodesOf } from '#src/volume/orientation.js';
import { root, temporaryFolder, voxstream } from './e2e/harness.js';

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

const pages = [
  'README.md',
  'examples/README.md',
  ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));
const textOf = (page: string) => readFileSync(join(root, page), 'utf8');

/** The anchor of a heading, as on GitHub. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

test('links between the pages lead to files and headings that exist', () => {
  const faults = pages.flatMap((page) => {
    const prose = textOf(page).replace(/```.*?```/gs, '');
    return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => {
      if (/^https?:/.test(link)) return [];
      const [path, anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(root, target))) return [`${page}: ${link}`];
      if (anchor === undefined || !target.endsWith('.md')) return [];
      const headings = [...textOf(target).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading));
      return headings.includes(anchor) ? [] : [`${page}: ${link}`];
    });
  });
  assert.equal(faults, []);
});

test('commands in the pages exist, and have the options that are shown', async () => {
  const { stdout: script } = await voxstream(['completion', 'bash']);
  const known = new Map(
    [...script.matchAll(/^ {4}"(.*)"\) words="(.*)" ;;$/gm)].map(([, path, words]) => [
      path,
      words.split(' '),
    ]),
  );
  const faults = pages.flatMap((page) => {
    const text = textOf(page).replaceAll('\\\n', ' ');
    const code = [...text.matchAll(/```\w*\n(.*?)```|`([^`\n]+)`/gs)].map(([, block, span]) => block ?? span);
    const lines = code.join('\n').match(/^ *(npx )?voxstream [a-z].*$/gm) ?? [];
    return lines.flatMap((line) => {
      const command = line.slice(line.indexOf('voxstream ') + 10).split(/#| {3}/)[0];
      const [first, second] = command.split(/\s+/);
      if (!known.has(first)) return [`${page}: voxstream ${first}`];
      const path = known.has(`${first} ${second}`) ? `${first} ${second}` : first;
      // These take the options of Python's programs, or any id of a configuration.
      if (/^(nnunet|totalseg|bundle)/.test(path)) return [];
      const options = command.match(/(?<= )--[a-z-]+/g) ?? [];
      return options.filter((one) => !known.get(path)!.includes(one)).map((one) => `${page}: ${path} ${one}`);
    });
  });
  assert.equal(faults, []);
});

test('CITATION.cff states the version of the package, and all files the same repository', () => {
  const { version, homepage, repository, bugs } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  const citation = parseYaml(readFileSync(join(root, 'CITATION.cff'), 'utf8'));
  assert.equal([citation.version, citation.license], [version, 'Apache-2.0']);
  const address = citation['repository-code'];
  assert.equal(
    [repository.url, homepage, bugs.url],
    [`git+${address}.git`, `${address}#readme`, `${address}/issues`],
  );
  const stated = ['docs/install.md', 'docs/tutorial.md', 'SECURITY.md'].map(
    (page) => /https:\/\/github\.com\/[\w-]*voxstream[\w-]*\/[\w-]+/.exec(textOf(page))?.[0],
  );
  assert.equal(stated, [address, address, address]);
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
