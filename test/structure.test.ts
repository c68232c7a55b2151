import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from './e2e/harness.js';

/** The folders and single files of src/. Each may import from those below it, types included. */
const layers: readonly (readonly string[])[] = [
  ['cli', 'index', 'author'],
  ['queue'],
  ['observe'],
  ['bundle'],
  ['train'],
  ['pipeline', 'synth'],
  ['sources', 'sinks'],
  ['operators'],
  ['models'],
  ['runtime'],
  ['report'],
  ['onnx'],
  ['storage'],
  ['formats'],
  ['optionTypes'],
  ['case', 'options', 'machine', 'codeCache', 'version', 'optionalPackage', 'address'],
  ['metrics'],
  ['volume'],
  ['cacheFolder', 'csvSeparator', 'errors', 'fileLock', 'harmless', 'mask'],
];

const src = join(root, 'src');
const layerOf = (part: string) => layers.findIndex((layer) => layer.includes(part));
const partOf = (path: string) => path.split('/')[0].replace(/\.[jt]s$/, '');

/** The files of src/, each with the files it imports, also for types alone. */
const imports = new Map(
  readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.c?ts$/.test(file))
    .map((file) => {
      const text = readFileSync(join(src, file), 'utf8').replace(/^ *\*.*$/gm, '');
      const paths = [
        ...text.matchAll(/^(?:import|export) [^;]*?from '(\.[^']+)'/gm),
        ...text.matchAll(/\bimport\('(\.[^']+)'\)/g),
      ].map(([, path]) => relative(src, join(src, dirname(file), path)));
      return [file, paths.map((path) => path.replace(/js$/, 'ts'))] as const;
    }),
);

/** Groups of files that import each other in a circle, by Tarjan's algorithm. */
function findCircles(): string[] {
  const circles: string[] = [];
  const order = new Map<string, number>();
  const open: string[] = [];
  /** Returns the order of the earliest open file that can be reached. */
  const visit = (file: string): number => {
    const place = order.size;
    order.set(file, place);
    open.push(file);
    let earliest = place;
    for (const other of imports.get(file) ?? []) {
      if (!order.has(other)) earliest = Math.min(earliest, visit(other));
      else if (open.includes(other)) earliest = Math.min(earliest, order.get(other)!);
    }
    if (earliest === place) {
      const group = open.splice(open.indexOf(file));
      if (group.length > 1) circles.push(group.sort().join(', '));
    }
    return earliest;
  };
  for (const file of imports.keys()) if (!order.has(file)) visit(file);
  return circles.sort();
}

test('every folder of src has its place in the layers', () => {
  for (const name of readdirSync(src)) assert.ok(layerOf(partOf(name)) >= 0, `${name} is in no layer`);
});

test('every import in src leads to a file', () => {
  const lost = [...imports].flatMap(([file, paths]) =>
    paths.filter((path) => !imports.has(path)).map((path) => `${file} imports ${path}`),
  );
  assert.equal(lost, []);
  assert.ok([...imports.values()].flat().length > 500, 'the imports were found');
});

test('imports point one way, from the command line down to the voxels, types included', () => {
  const against = [...imports].flatMap(([file, paths]) =>
    paths
      .filter((path) => partOf(path) !== partOf(file) && layerOf(partOf(path)) <= layerOf(partOf(file)))
      .map((path) => `${file} imports from ${path}`),
  );
  assert.equal(against, []);
});

test('no files import each other in a circle, types included', () => {
  assert.equal(findCircles(), []);
});

test('no comment is wider than the code may be', () => {
  const wide = ['src', 'test', 'bench', 'scripts', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(ts|mjs|cts)$/.test(file) && !/node_modules|dist\//.test(file))
      .flatMap((file) =>
        readFileSync(join(root, folder, file), 'utf8')
          .split('\n')
          .filter((line) => line.length > 110 && /^\s*(\/\/|\*|\/\*)/.test(line))
          .map((line) => `${folder}/${file}: ${line}`),
      ),
  );
  assert.equal(wide, []);
});

test.run();
