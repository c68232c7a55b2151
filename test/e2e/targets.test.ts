import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeNifti } from '#src/formats/writeNifti.js';
import { makeVolume } from '#src/volume/volume.js';
import { root, temporaryFolder, voxstream } from './harness.js';

/** A folder with small images of these names. */
async function folderOf(...names: string[]): Promise<string> {
  const folder = temporaryFolder();
  for (const name of names) {
    const data = Int16Array.from({ length: 64 }, (_, i) => i);
    await writeNifti(join(folder, name), makeVolume({ data, size: [4, 4, 4] }));
  }
  return folder;
}

/** Runs a pipeline that writes the images again, with these sinks; what it says. */
async function runWith(images: string, output: string, sinks: string, flags: string[] = []) {
  const file = join(temporaryFolder(), 'p.yaml');
  writeFileSync(file, `source: { glob: { image: '${images}/*.nii.gz' } }\nsteps: [load]\nsinks: ${sinks}\n`);
  return voxstream(['run', file, '--set', `output=${output}`, ...flags]);
}

test('a run that would replace its source images is refused before it writes anything', async () => {
  const images = await folderOf('a.nii.gz', 'B.nii.gz');
  const before = readFileSync(join(images, 'a.nii.gz'));
  const pipeline = join(root, 'pipelines/preprocess-only.yaml');
  const flags = ['--set', `images=${images}/*.nii.gz`, '--set', `output=${images}`];
  const { code, stderr } = await voxstream(['run', pipeline, ...flags]);
  assert.is(code, 1);
  assert.match(
    stderr,
    /The run would replace .*nii\.gz, which case .* is read from, by .*Choose another output folder/,
  );
  assert.equal(readFileSync(join(images, 'a.nii.gz')), before);
  // --overwrite does not allow it either, nor does a link to the folder, nor another letter case.
  assert.is((await voxstream(['run', pipeline, ...flags, '--overwrite'])).code, 1);
  const link = join(temporaryFolder(), 'link');
  symlinkSync(images, link);
  const linked = await voxstream(['run', pipeline, flags[0], flags[1], '--set', `output=${link}`]);
  assert.match(linked.stderr, /The run would replace /);
  const other = await folderOf('A.nii.gz');
  symlinkSync(join(other, 'A.nii.gz'), join(temporaryFolder(), 'a.nii.gz'));
  const lower = await runWith(other, other, "[{ nifti: { keys: image, postfix: '' } }]");
  assert.match(lower.stderr, /The run would replace /);
  assert.equal(readFileSync(join(images, 'a.nii.gz')), before);
});

test('two sinks with one target are refused, and so is a case that would be written to the files of another', async () => {
  const images = await folderOf(
    'p.nii.gz',
    'p_seg.nii.gz',
    'P.nii.gz',
    'caf\u00e9.nii.gz',
    'cafe\u0301.nii.gz',
  );
  const twice = await runWith(
    images,
    temporaryFolder(),
    '[{ nifti: { keys: image, postfix: x } }, { id: again, nifti: { keys: image, postfix: X } }]',
  );
  assert.is(twice.code, 1);
  assert.match(twice.stderr, /The sinks nifti and again would both write to .*Give them different postfixes/);
  const output = join(temporaryFolder(), 'out');
  const sinks =
    "[{ nifti: { keys: image, postfix: '' } }, { id: seg, nifti: { keys: image, postfix: seg } }]";
  const { code } = await runWith(images, output, sinks);
  assert.is(code, 2);
  const failures = readFileSync(join(output, 'failures.csv'), 'utf8');
  // P and p; both forms of café; p_seg is where the sink seg writes p.
  assert.is(failures.trim().split('\n').length - 1, 3, failures);
  assert.match(failures, /p_seg,source,.*where the sink seg writes case [pP]/);
});

test('sinks stay inside the output folder', async () => {
  const images = await folderOf('a.nii.gz');
  const home = temporaryFolder();
  const output = join(home, 'out');
  const precious = join(home, '.bashrc');
  writeFileSync(precious, 'mine');
  for (const sinks of [
    '[{ metricsCsv: { path: ../.bashrc } }]',
    `[{ metricsCsv: { path: '${precious}' } }]`,
    '[{ summary: { path: ../.bashrc } }]',
    '[{ nifti: { keys: image, dir: .. } }]',
    '[{ report: { dir: ../report } }]',
  ]) {
    const { code, stderr } = await runWith(images, output, sinks, ['--overwrite']);
    assert.is(code, 1, sinks);
    assert.match(stderr, /The sink \w+ would write to .*, which is outside the output folder/, sinks);
  }
  const postfix = await runWith(images, output, '[{ nifti: { keys: image, postfix: /../../../x } }]');
  assert.match(postfix.stderr, /postfix must be .*a part of a file name, without/);
  assert.is(readFileSync(precious, 'utf8'), 'mine');
});

test('a file that no run in the folder wrote is replaced only with --overwrite', async () => {
  const images = await folderOf('a.nii.gz');
  const output = temporaryFolder();
  writeFileSync(join(output, 'a_x.nii.gz'), 'mine');
  writeFileSync(join(output, 'run.json'), 'mine');
  const sinks = '[{ nifti: { keys: image, postfix: x } }, metricsCsv]';
  const refused = await runWith(images, output, sinks);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /would replace 2 file\(s\) .*run\.json and .*a_x\.nii\.gz.*--overwrite/);
  assert.is(readFileSync(join(output, 'a_x.nii.gz'), 'utf8'), 'mine');
  assert.is((await runWith(images, output, sinks, ['--overwrite'])).code, 0);
  assert.not.equal(readFileSync(join(output, 'a_x.nii.gz'), 'utf8'), 'mine');
  // From now on they belong to the runs in this folder.
  assert.is((await runWith(images, output, sinks, ['--resume'])).code, 0);
});

test('partial files of other programs, and in folders that the run does not write to, stay', async () => {
  const images = await folderOf('a.nii.gz');
  const output = temporaryFolder();
  mkdirSync(join(output, 'other'));
  const theirs = ['download.partial', 'a.nii.gz.12-0123456z.partial', 'other/a.nii.gz.12-01234567.partial'];
  const ours = ['a_x.nii.gz.12-01234567.partial'];
  for (const file of [...theirs, ...ours]) writeFileSync(join(output, file), '');
  const { code, stderr } = await runWith(images, output, '[{ nifti: { keys: image, postfix: x } }]');
  assert.is(code, 0, stderr);
  assert.equal(
    theirs.map((file) => existsSync(join(output, file))),
    [true, true, true],
  );
  assert.equal(
    ours.map((file) => existsSync(join(output, file))),
    [false],
  );
});

test.run();
