import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tarMember } from '../formats/buildTar.js';
import { bandModel, readCsv, temporaryFolder, voxstream } from './harness.js';
import { putSpleenSeries } from './spleenSeries.js';

const folder = temporaryFolder();
const data = join(folder, 'data');
const phantoms = ['synth', data, '--cases', '2', '--test', '0', '--seed', '1', '--size', '64,64,32'];
assert.is((await voxstream(phantoms)).code, 0);
const images = join(data, 'imagesTr');

/** A model folder with the weights of the tests' model and a card of its own. */
function modelWith(name: string, card: object, pipeline?: string): string {
  const place = join(folder, name);
  mkdirSync(place);
  writeFileSync(join(place, 'model.onnx'), readFileSync(join(bandModel, 'model.onnx')));
  const known = JSON.parse(readFileSync(join(bandModel, 'metadata.json'), 'utf8'));
  writeFileSync(join(place, 'metadata.json'), JSON.stringify({ ...known, ...card, name }));
  if (pipeline) writeFileSync(join(place, 'pipeline.yaml'), pipeline);
  return place;
}

const bandInput = JSON.parse(readFileSync(join(bandModel, 'metadata.json'), 'utf8')).input;
const stated = modelWith('stated', {
  input: {
    ...bandInput,
    preprocessing: [
      'load',
      { orient: { axcodes: 'RAS' } },
      { spacing: { pixdim: [2, 2, 2] } },
      { scaleIntensityRange: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true } },
    ],
  },
});

test('a folder of images is segmented in one line, and measured if there are references', async () => {
  const out = join(folder, 'out');
  const file = join(folder, 'saved.yaml');
  const more = ['--labels', join(data, 'labelsTr'), '--save-pipeline', file];
  const { code, stderr } = await voxstream(['segment', images, out, '--model', stated, ...more]);
  assert.is(code, 0, stderr);
  assert.ok(existsSync(join(out, 'synth_001.nii.gz')) && existsSync(join(out, 'synth_002.nii.gz')));
  const rows = readCsv(join(out, 'metrics.csv'));
  assert.equal(
    rows.map(({ case: id }) => id),
    ['synth_001', 'synth_002'],
  );
  assert.ok(
    rows.every((row) => Number(row['dice_spleen']) >= 0),
    JSON.stringify(rows),
  );

  // The pipeline that was saved does the same, and is written as people write it.
  assert.match(readFileSync(file, 'utf8'), /^ {2}- load\n {2}- \w+: \{ .* \}$/m);
  const again = join(folder, 'again');
  const repeated = await voxstream(['run', file, '-o', again, '--input', images]);
  assert.is(repeated.code, 0, repeated.stderr);
  assert.equal(readFileSync(join(again, 'metrics.csv')), readFileSync(join(out, 'metrics.csv')));
  assert.equal(readFileSync(join(again, 'synth_001.nii.gz')), readFileSync(join(out, 'synth_001.nii.gz')));
  const twice = await voxstream(['segment', images, out, '--model', stated, '--save-pipeline', file]);
  assert.match(twice.stderr, /saved\.yaml \(--save-pipeline\) exists/);
});

test('a folder with finished cases asks for --resume or --overwrite', async () => {
  const out = join(folder, 'finished');
  const args = ['segment', join(images, 'synth_001.nii.gz'), out, '--model', stated];
  assert.is((await voxstream(args)).code, 0);
  const refused = await voxstream(args);
  assert.is(refused.code, 1);
  assert.match(
    refused.stderr,
    /finished holds 1 finished case\(s\) of an earlier run\. Give --resume .* --overwrite/,
  );
  const compared = await voxstream(['compare', out, out]);
  assert.match(
    compared.stderr,
    /finished has no metrics\.csv: that run measured nothing\. .*voxstream evaluate --pred/,
  );
  const resumed = await voxstream([...args, '--resume']);
  assert.match(resumed.stdout, /0 case\(s\) done, 1 already finished/);
  const overwritten = await voxstream([...args, '--overwrite']);
  assert.match(overwritten.stdout, /^1 case\(s\) done in/m);
});

test("a model's own pipeline.yaml is used, with its variables", async () => {
  const own = modelWith(
    'own',
    {},
    `vars: { mm: 4 }
source: { glob: { image: unused/*.nii } }
steps:
  - load
  - spacing: { pixdim: ['\${mm}', '\${mm}', '\${mm}'], keys: image }
  - inference: { model: '\${model}' }
  - invert: { keys: pred, like: image }
  - asDiscrete: { argmax: true }
`,
  );
  const plan = await voxstream(['segment', images, join(folder, 'x'), '--model', own, '--dry-run']);
  assert.is(plan.code, 0, plan.stderr);
  assert.match(plan.stdout, /Source glob: 2 case\(s\)[\s\S]* 2\. spacing: pixdim \[4, 4, 4\]/);
  assert.match(plan.stdout, /3\. inference: model ".*own"/);
  assert.match(plan.stdout, /^ {2}values: expects 0 to 1; checked in each case$/m);
  assert.match(
    plan.stdout,
    /^Memory of \S+: (known after the first run|about [\d.]+ \w+ for weights and features, in \d+ session)/m,
  );
});

test('inputs of each kind are recognised, and others are refused with what to give', async () => {
  const plan = async (input: string, ...more: string[]) => {
    const { stdout, stderr } = await voxstream([
      ...['segment', input, join(folder, 'x'), '--model', stated, '--dry-run'],
      ...more,
    ]);
    return stdout + stderr;
  };
  assert.match(await plan(join(images, '*_001.nii.gz')), /Source glob: 1 case/);
  assert.match(await plan(join(images, '{case}.nii.gz')), /Source glob: 2 case/);
  assert.match(await plan(join(images, 'synth_002.nii.gz')), /Source datalist: 1 case/);
  assert.match(await plan(join(folder, 'nothing')), /There is no .*nothing\. Give an image file/);
  const dicom = join(folder, 'dicom');
  mkdirSync(dicom);
  assert.match(await plan(dicom), /dicom \(source\.root\) holds no DICOM images/);
  putSpleenSeries(dicom);
  assert.match(await plan(dicom, '--labels', dicom), /^ {2}dicom_s3: image$[\s\S]* dice: .*, optional true/m);
  assert.match(
    await plan(dicom, '--labels', images),
    /dice will be measured in 0 of 1 cases: the others have no label\./,
  );
  assert.match(
    await plan(images, '--labels', 'nowhere'),
    /There is no nowhere \(--labels\)\. Give the folder/,
  );
  assert.match(await plan(data), /Source decathlon: 2 case/);
  const archive = join(folder, 'images.tar');
  const [one, two] = ['b/ct.nii.gz', 'a/ct.nii.gz'].map((name, i) =>
    tarMember(name, readFileSync(join(images, `synth_00${i + 1}.nii.gz`))),
  );
  writeFileSync(archive, Buffer.concat([one, two, tarMember('a/._ct.nii.gz', 'x'), Buffer.alloc(1024)]));
  assert.match(await plan(archive), /Source datalist: 2 case[\s\S]*\ba: image$[\s\S]*\bb: image$/m);
  assert.match(await plan(archive, '--labels', images), /--labels cannot be used with .*images\.tar/);
  const twice = await voxstream(['segment', images, 'a', '-o', 'b', '--model', stated]);
  assert.match(twice.stderr, /There are two output folders, a and b \(-o\)/);
  const nowhere = await voxstream(['segment', images, '--model', stated]);
  assert.match(nowhere.stderr, /The output folder is missing\. .*segment INPUT OUTPUT/);
  const file = await voxstream(['segment', images, '-o', 'out.nii.gz', '--model', stated]);
  assert.match(file.stderr, /The output is out\.nii\.gz, but a folder was expected/);
});

test('a model that does not state its preprocessing is refused', async () => {
  const silent = modelWith('silent', { input: { channels: 1 } });
  const { code, stderr } = await voxstream(['segment', images, join(folder, 'x'), '--model', silent]);
  assert.is(code, 1);
  assert.match(stderr, /The model silent does not state how its input is made.*input\.preprocessing/);
});

test('--quiet prints failures only, and --verbose writes a log with stacks', async () => {
  const bad = join(folder, 'bad');
  mkdirSync(bad);
  writeFileSync(join(bad, 'a.nii'), 'not an image');
  writeFileSync(join(bad, 'b.nii.gz'), readFileSync(join(images, 'synth_001.nii.gz')));
  const args = (out: string) => ['segment', bad, join(folder, out), '--model', stated];
  const quiet = await voxstream([...args('quiet'), '--quiet']);
  assert.is(quiet.code, 2);
  assert.match(quiet.stderr, /^\[\d\/2\] a: failed at load: .*a\.nii.*\n$/);
  assert.is(quiet.stdout, '');
  const verbose = await voxstream([...args('verbose'), '--verbose']);
  assert.match(verbose.stderr, /The log is .*run\.log/);
  const log = readFileSync(join(folder, 'verbose/.voxstream/run.log'), 'utf8');
  assert.match(log, /error of case a: .*[\s\S]*DataError: .*a\.nii.*\n[\s\S]*\n {4,}at /);
  assert.match(log, /^\S+Z \{"event":"windows","case":"b"/m);
  assert.match(log, /^\S+Z \{"event":"end"/m);
});

test('--input and -o mean the same for run', async () => {
  const pipeline = join(folder, 'p.yaml');
  writeFileSync(pipeline, 'source: { glob: { image: none/* } }\nsteps: [load]\n');
  const plan = await voxstream(['run', pipeline, '--input', images, '-o', 'elsewhere', '--dry-run']);
  assert.match(plan.stdout, /into elsewhere\nSource glob: 2 case/);
  writeFileSync(pipeline, 'source: { pairs: { pred: a, label: b } }\nsteps: [load]\n');
  const refused = await voxstream(['run', pipeline, '--input', images]);
  assert.match(refused.stderr, /--input has no meaning for the source "pairs"/);
});

test.run();
