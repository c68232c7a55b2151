import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { writeNifti } from '#src/formats/writeNifti.js';
import { makeVolume } from '#src/volume/volume.js';
import { readCsv, root, temporaryFolder, voxstream } from './harness.js';

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** Makes `node_modules/NAME` in a folder a link to where the package is for this project. */
function link(folder: string, name: string, target: string): void {
  const place = join(folder, 'node_modules', name);
  mkdirSync(join(place, '..'), { recursive: true });
  symlinkSync(target, place);
}

/** A folder in which the example package is installed, from the archive that `npm pack` makes of it. */
function userFolder(): string {
  const source = join(temporaryFolder(), 'operator-package');
  cpSync(join(root, 'examples/operator-package'), source, {
    recursive: true,
    filter: (path) => !/operator-package\/(node_modules|dist)/.test(path),
  });
  link(source, 'voxstream', root);
  // npm puts what voxstream depends on beside it.
  link(source, 'zod', join(root, 'node_modules/zod'));
  link(source, '@types/node', join(root, 'node_modules/@types/node'));
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', source], { stdio: 'inherit' });
  const archive = execFileSync(npm, ['pack', '--silent'], { cwd: source, encoding: 'utf8' }).trim();
  const user = temporaryFolder();
  writeFileSync(join(user, 'package.json'), '{ "private": true }');
  // voxstream is a peer of the package; here it is the project itself.
  const flags = [
    '--offline',
    '--legacy-peer-deps',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--silent',
  ];
  execFileSync(npm, ['install', ...flags, join(source, archive)], { cwd: user, stdio: 'inherit' });
  link(user, 'voxstream', root);
  return user;
}

const user = userFolder();
const use = ['--use', 'voxstream-example-operators'];
const pipeline = join(root, 'examples/operator-package/smooth.yaml');

test('a pipeline runs an operator of an installed package, its kernel in a worker thread', async () => {
  // One voxel of 1 in the middle: what comes out is the product of three Gaussians.
  const data = new Float32Array(21 ** 3);
  data[(10 * 21 + 10) * 21 + 10] = 1;
  await writeNifti(join(user, 'in.nii.gz'), makeVolume({ data, size: [21, 21, 21] }));
  const output = join(user, 'out');
  const { code, stderr } = await voxstream(
    ['run', pipeline, ...use, '--set', 'image=in.nii.gz', '--set', `output=${output}`],
    {},
    user,
  );
  assert.is(code, 0, stderr);
  const smooth = await readVolume(join(output, 'in_smooth.nii.gz'), { kind: 'image' });
  const gauss = Array.from({ length: 17 }, (_, i) => Math.exp(-((i - 8) ** 2) / 8));
  const sum = gauss.reduce((total, value) => total + value, 0);
  const at = (x: number, y: number, z: number) => smooth.data[(z * 21 + y) * 21 + x];
  assert.ok(Math.abs(at(10, 10, 10) - (gauss[8] / sum) ** 3) < 1e-7);
  assert.ok(Math.abs(at(12, 9, 10) - (gauss[10] * gauss[7] * gauss[8]) / sum ** 3) < 1e-7);
  const record = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  const [{ sha256, ...used }] = record.pipeline.use;
  assert.equal(used, {
    use: 'voxstream-example-operators',
    name: 'voxstream-example-operators',
    version: '1.0.0',
  });
  assert.match(sha256, /^[0-9a-f]{64}$/);
});

test('a metric of a package has its title and direction in the summary, and evaluate measures it', async () => {
  const label = (name: string, voxels: number) => {
    const data = new Uint8Array(1000).fill(1, 0, voxels);
    const affine = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2.5, 0, 0, 0, 0, 1];
    mkdirSync(join(user, name), { recursive: true });
    return writeNifti(
      join(user, name, 'a.nii.gz'),
      makeVolume({ data, size: [10, 10, 10], affine, kind: 'label' }),
    );
  };
  await Promise.all([label('pred', 300), label('truth', 200)]);
  const flags = ['--pred', 'pred', '--label', 'truth', '-o', 'judged/metrics.csv', '--metrics', 'dice,fp_ml'];
  const { code, stdout, stderr } = await voxstream(['evaluate', ...flags, ...use], {}, user);
  assert.is(code, 0, stderr);
  const [row] = readCsv(join(user, 'judged/metrics.csv'));
  // 100 voxels of 10 mm^3 are 1 mL.
  assert.equal([Number(row.dice_1), Number(row.fp_ml_1)], [0.8, 1]);
  assert.match(stdout, /fp_ml_1/);
  const summary = JSON.parse(readFileSync(join(user, 'judged/summary.json'), 'utf8'));
  const text = JSON.stringify(summary);
  assert.match(text, /False positives/);
  assert.match(text, /"better":"lower"/);
});

test('compare knows the direction of a metric of a package in a bare CSV file', async () => {
  writeFileSync(join(user, 'a.csv'), 'case,fp_ml_1\np1,1\np2,2\n');
  writeFileSync(join(user, 'b.csv'), 'case,fp_ml_1\np1,1\np2,5\n');
  const compare = (more: readonly string[]) => voxstream(['compare', 'a.csv', 'b.csv', ...more], {}, user);
  assert.match((await compare([])).stdout, /fp_ml_1, changed the most: p2 2 → 5/);
  assert.match((await compare(use)).stdout, /fp_ml_1, got worse the most: p2 2 → 5/);
});

test('help, validation and the JSON Schema know what a package adds', async () => {
  const help = await voxstream(['operators', 'gaussianBlur', ...use], {}, user);
  assert.match(help.stdout, /gaussianBlur: Smooths volumes with a Gaussian\./);
  assert.match(help.stdout, /sigma: number or 3 numbers, required/);
  const schema = JSON.parse((await voxstream(['schema', ...use], {}, user)).stdout);
  const titles = schema.properties.steps.items.anyOf.map(({ title }: { title?: string }) => title);
  assert.ok(titles.includes('gaussianBlur'));
  const refused = await voxstream(['validate', pipeline, ...use, '--set', 'gaussianBlur.sigma=-1'], {}, user);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /step 2 \(gaussianBlur\), sigma must be at least 0, or /);
});

test('--resume runs cases again when a module, or a file that it uses, was edited', async () => {
  const folder = join(user, 'edited');
  mkdirSync(folder);
  const kernel = (factor: number) =>
    writeFileSync(
      join(folder, 'kernel.mjs'),
      `export const times = (volume) => ({ ...volume, data: volume.data.map((value) => value * ${factor}) });`,
    );
  const author = JSON.stringify(pathToFileURL(join(root, 'dist/author.js')));
  writeFileSync(
    join(folder, 'own.mjs'),
    `import { mapVolumes, operator, task } from ${author};
    import { times } from './kernel.mjs';
    const timesTask = task(new URL('./kernel.mjs', import.meta.url), times);
    const own = operator({
      name: 'own', summary: 'Multiplies.', options: {}, example: {},
      forecast: () => (subject) => subject,
      create: (_, context) =>
        mapVolumes(context, 'cpu', undefined, ['image'], (volume) => context.runtime.run(timesTask, volume)),
    });
    export default { operators: [own] };`,
  );
  await writeNifti(
    join(folder, 'in.nii'),
    makeVolume({ data: new Float32Array(8).fill(1), size: [2, 2, 2] }),
  );
  const file = join(folder, 'p.json');
  const sinks = [{ nifti: { keys: 'image' } }];
  const content = { source: { glob: { image: 'in.nii' } }, steps: ['load', 'own'], sinks, output: 'out' };
  writeFileSync(file, JSON.stringify(content));
  const run = async () => {
    const ended = await voxstream(['run', file, '--use', './own.mjs', '--resume'], {}, folder);
    assert.is(ended.code, 0, ended.stderr);
    const { data } = await readVolume(join(folder, 'out/in_image.nii.gz'), { kind: 'image' });
    return { value: data[0], skipped: /already finished/.test(ended.stdout) };
  };
  kernel(2);
  assert.equal(await run(), { value: 2, skipped: false });
  assert.equal(await run(), { value: 2, skipped: true });
  kernel(3);
  assert.equal(await run(), { value: 3, skipped: false });
});

test('a pipeline file alone runs no code', async () => {
  const trap = join(user, 'trap.mjs');
  const sprung = join(user, 'sprung');
  writeFileSync(
    trap,
    `import { writeFileSync } from 'node:fs'; writeFileSync(${JSON.stringify(sprung)}, ''); export default {};`,
  );
  const file = join(user, 'trap.yaml');
  writeFileSync(file, `use: ${trap}\nsource: { glob: { image: x } }\nsteps: [load]\n`);
  const { code, stderr } = await voxstream(['validate', file], {}, user);
  assert.is(code, 1);
  assert.match(stderr, /there is no key "use"/);
  const alone = await voxstream(['operators', 'fp_ml'], {}, user);
  assert.match(alone.stderr, /there is no definition "fp_ml"/);
  assert.not.ok(existsSync(sprung));
  assert.is((await voxstream(['operators', '--use', trap], {}, user)).code, 0);
  assert.ok(existsSync(sprung), 'the trap works');
});

test('what cannot be used is refused in a sentence', async () => {
  const refusal = async (use: string, content?: string) => {
    if (content !== undefined) writeFileSync(join(user, use), content);
    const { code, stderr } = await voxstream(['operators', '--use', use], {}, user);
    assert.is(code, 1);
    return stderr;
  };
  assert.match(
    await refusal('no-such-package'),
    /--use no-such-package: there is no such file, and no such package/,
  );
  assert.match(await refusal('a.mjs', 'nonsense('), /--use a\.mjs: file:.*a\.mjs cannot be loaded: /);
  assert.match(
    await refusal('b.mjs', 'export const x = 1;'),
    /--use b\.mjs: .* default export is undefined\. It must be/,
  );
  assert.match(
    await refusal('c.mjs', 'export default { operator: [] };'),
    /default export has operator: \[\]/,
  );
  assert.match(
    await refusal('d.mjs', 'export default { operators: [{ name: "x" }] };'),
    /operators\[0\] was not created with the functions of voxstream\/author/,
  );
});

test.run();
