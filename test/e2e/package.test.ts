import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Missing, testNeeding } from '../needs.js';
import { root, temporaryFolder } from './harness.js';

const bin = (path: string) => join(root, 'node_modules', path);

/** Runs a program to its end. */
function run(cwd: string, command: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  return { status, stdout, text: `${stdout}${stderr}` };
}

const npm = (cwd: string, ...args: string[]) =>
  run(cwd, 'npm', ...args, '--ignore-scripts', '--no-audit', '--no-fund');

/** Packs the package as it is published, and returns the path of the file. */
function pack(): string {
  const folder = temporaryFolder();
  const { status, stdout, text } = npm(root, 'pack', '--silent', '--pack-destination', folder);
  assert.is(status, 0, text);
  return join(folder, stdout.trim().split('\n').at(-1)!);
}

const tarball = pack();

test('publint and attw find no fault in the package', () => {
  const publint = run(root, process.execPath, bin('publint/src/cli.js'), 'run', tarball, '--strict');
  assert.is(publint.status, 0, publint.text);
  assert.match(publint.text, /All good/);
  // The package has ES modules only, which CommonJS loads by import().
  const attw = run(
    root,
    process.execPath,
    bin('@arethetypeswrong/cli/dist/index.js'),
    '--profile',
    'esm-only',
    tarball,
  );
  assert.is(attw.status, 0, attw.text);
});

const program = `
import { lastValueFrom, of, toArray } from 'rxjs';
import {
  axcodesOf, type Case, createRuntime, makeCase, makeVolume, orient, parsePipeline, readVolume, runPipeline,
  type RunEvent, type RunResult, spacing, VoxError, type Volume, writeNifti,
} from 'voxstream';

const image: Volume = makeVolume({ data: Float32Array.from({ length: 1000 }, (_, i) => i), size: [10, 10, 10] });
await writeNifti('a.nii.gz', image);
const read = await readVolume('a.nii.gz', { kind: 'image' });

const runtime = createRuntime({ device: 'cpu', workers: 1 });
const cases: Case[] = await lastValueFrom(
  of(makeCase({ id: 'a', volumes: { image: read } })).pipe(
    orient({ axcodes: 'LPS' }, { id: 'orient', runtime }),
    spacing({ pixdim: [2, 2, 2] }, { id: 'spacing', runtime }),
    toArray(),
  ),
);
await runtime.close();

const events: RunEvent['event'][] = [];
const pipeline = parsePipeline(\`
source: { glob: { image: '*.nii.gz' } }
steps: [load, orient: { axcodes: RAS }]
sinks: [nifti: { keys: image }]
output: out
\`);
const result: RunResult = await runPipeline(pipeline, { onEvent: ({ event }) => events.push(event) });
let refused: unknown;
try {
  parsePipeline('steps: [nothing]');
} catch (error) {
  refused = error;
}
console.log(JSON.stringify({
  axcodes: axcodesOf(cases[0].volumes.image.affine),
  size: cases[0].volumes.image.size,
  done: result.done,
  ended: events.at(-1),
  refused: refused instanceof VoxError,
}));
`;

/** Installs the package in an empty folder. Says what is missing if the registry cannot be reached. */
function install(): { folder: string; missing: Missing } {
  const folder = temporaryFolder();
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'user', private: true, type: 'module' }),
  );
  const { status, text } = npm(folder, 'install', '--prefer-offline', tarball, 'rxjs');
  const offline =
    /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ENOTCACHED|E[A-Z_]*TIMEDOUT|E[A-Z_]*TIMEOUT|E429|E5\d\d)\b/.test(
      text,
    );
  if (status !== 0 && !offline) throw new Error(`The package cannot be installed: ${text}`);
  return { folder, missing: status === 0 ? undefined : 'the npm registry' };
}

const { folder, missing } = install();

/**
 * Compiles files of the user's folder as strictly as TypeScript can, including the types of dependencies. The
 * types of Node are not installed there, so that the public types must do without them.
 */
function compile(...files: string[]) {
  const compilerOptions = {
    ...{ target: 'ES2022', lib: ['ES2023', 'DOM'], module: 'NodeNext', strict: true, skipLibCheck: false },
    ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: false, types: [] },
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  return run(folder, process.execPath, bin('typescript/bin/tsc'), '-p', '.');
}

testNeeding(missing, 'a program that uses the installed package compiles under strict and runs', () => {
  writeFileSync(join(folder, 'program.ts'), program);
  const compiled = compile('program.ts');
  assert.is(compiled.status, 0, compiled.text);
  const ran = run(folder, process.execPath, 'program.js');
  assert.is(ran.status, 0, ran.text);
  assert.equal(JSON.parse(ran.stdout.trim().split('\n').at(-1)!), {
    axcodes: 'LPS',
    size: [6, 6, 6],
    done: 1,
    ended: 'end',
    refused: true,
  });
  assert.ok(existsSync(join(folder, 'out/a_image.nii.gz')));
});

testNeeding(missing, 'the compiler refuses a wrong option of an operator', () => {
  writeFileSync(
    join(folder, 'wrong.ts'),
    `import { spacing } from 'voxstream';\nspacing({ pixdin: [1, 1, 1] });\n`,
  );
  const { status, text } = compile('wrong.ts');
  assert.is.not(status, 0);
  assert.match(text, /pixdin/);
});

testNeeding(missing, 'the installed command runs, and the schema is where the exports say', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.is(run(folder, 'npx', '--no-install', 'voxstream', '--version').stdout.trim(), version);
  const schema = `import schema from 'voxstream/schema' with { type: 'json' }; console.log(schema.$schema);`;
  assert.match(run(folder, process.execPath, '--input-type=module', '-e', schema).stdout, /json-schema\.org/);
});

test.run();
