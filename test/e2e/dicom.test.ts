import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import dicomParser from 'dicom-parser';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { bandModel, root, temporaryFolder, voxstream } from './harness.js';
import { putSpleenSeries } from './spleenSeries.js';

test('the pipeline that ships takes a series to a segmentation and contours of it, and resumes', async () => {
  const [dataset, output] = [temporaryFolder(), temporaryFolder()];
  putSpleenSeries(dataset);
  const args = ['run', join(root, 'pipelines/spleen-dicom.yaml'), '--device', 'cpu'];
  for (const [name, value] of Object.entries({ dataset, output, model: bandModel }))
    args.push('--set', `${name}=${value}`);
  const { code, stdout, stderr } = await voxstream(args);
  assert.is(code, 0, stdout + stderr);
  const [name] = readFileSync(join(output, 'timings.csv'), 'utf8').split('\n')[1].split(',');
  const seg = dicomParser.parseDicom(readFileSync(join(output, `${name}_pred.dcm`)));
  const { data } = await readVolume(join(output, `${name}_seg.nii.gz`), { kind: 'label' });
  const slices = new Set([...data.keys()].filter((i) => data[i] === 1).map((i) => Math.floor(i / (40 * 36))));
  assert.ok(slices.size > 5);
  assert.is(Number(seg.string('x00280008')), slices.size);
  const rtstruct = readFileSync(join(output, `${name}_pred_rtstruct.dcm`));
  assert.match(rtstruct.toString('latin1'), 'CLOSED_PLANAR');
  assert.not.match(stdout + stderr + readFileSync(join(output, 'run.json'), 'utf8'), /Doe|SECRET/);
  assert.not.match(readFileSync(join(output, 'metrics.csv'), 'utf8'), 'dice');
  const plan = await voxstream([...args, '--dry-run', '--show-identifiers']);
  assert.match(plan.stdout, /SECRET-7_\S+_s3: image/);
  const again = await voxstream([...args, '--resume', '--json']);
  assert.match(again.stdout, '"event":"caseSkipped"');

  // The same segmentation, as if another program had made it, is a reference.
  const reference = readFileSync(join(output, `${name}_pred.dcm`), 'latin1').replaceAll(
    'voxstream',
    'something',
  );
  writeFileSync(join(dataset, 'reference'), reference, 'latin1');
  const compared = await voxstream([...args, '--set', `output=${join(output, 'compared')}`]);
  assert.is(compared.code, 0, compared.stderr);
  assert.match(
    readFileSync(join(output, 'compared/metrics.csv'), 'utf8'),
    /^case,dice_spleen,hd95_spleen\n\S+,1,0\n$/,
  );
});

test('a run warns when the volume is oriented otherwise than the card of the model states', async () => {
  const [dataset, folder] = [temporaryFolder(), temporaryFolder()];
  putSpleenSeries(dataset);
  const model = join(folder, 'model');
  cpSync(bandModel, model, { recursive: true });
  const card = JSON.parse(readFileSync(join(model, 'metadata.json'), 'utf8'));
  card.labels[1] = 'blob';
  card.codes = { blob: { value: '78961009', meaning: 'Spleen of the card' } };
  writeFileSync(
    join(model, 'metadata.json'),
    JSON.stringify({ ...card, input: { ...card.input, axcodes: 'RAS' } }),
  );
  const run = (axcodes: string) => {
    const output = join(folder, axcodes);
    const set = { dataset, model, output, 'orient.axcodes': axcodes };
    const sets = Object.entries(set).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
    return voxstream(['run', join(root, 'pipelines/spleen-dicom.yaml'), '--device', 'cpu', ...sets]);
  };
  const mirrored = await run('LAS');
  assert.is(mirrored.code, 0, mirrored.stderr);
  assert.match(
    mirrored.stderr,
    /The model spleen_band \(inference\) expects orientation RAS, but it gets LAS/,
  );
  const usual = await run('RAS');
  assert.is(usual.code, 0, usual.stderr);
  assert.not.match(usual.stderr, 'expects orientation');
  const seg = readdirSync(join(folder, 'RAS')).find((name) => name.endsWith('_pred.dcm'));
  assert.match(readFileSync(join(folder, 'RAS', seg!), 'latin1'), 'Spleen of the card');
});

test.run();
