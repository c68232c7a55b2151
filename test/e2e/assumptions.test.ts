import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildNifti } from '../formats/buildNifti.js';
import { readCsv, temporaryFolder, voxstream } from './harness.js';

const sform = { code: 1, rows: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] };

test('a label that nnU-Net does not name is reported in the terminal, the summary and the report', async () => {
  const folder = temporaryFolder();
  const put = (name: string, content: Buffer | object) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    const raw = Buffer.isBuffer(content);
    writeFileSync(join(folder, name), raw ? content : JSON.stringify(content));
  };
  put('ds/dataset.json', {
    channel_names: { 0: 'T1', 1: 'T2' },
    labels: { background: 0, 'whole tumor': [1, 2], core: 2 },
    file_ending: '.nii',
  });
  for (const id of ['a', 'b']) {
    for (const channel of ['0000', '0001']) put(`ds/imagesTr/${id}_${channel}.nii`, buildNifti({ sform }));
    const values = [0, 1, 1, 2, 2, 0, 0, 0, 0, 0, 0, 4];
    put(`ds/labelsTr/${id}.nii`, buildNifti({ sform, datatype: 2, values }));
  }
  const pipeline = {
    name: 'p',
    output: 'out',
    source: { nnunet: { root: 'ds' } },
    steps: ['load', { dice: { pred: 'label' } }],
    sinks: ['metricsCsv', 'summary', { report: { pred: 'label' } }],
  };
  put('p.yaml', pipeline);
  const { code, stdout, stderr } = await voxstream(['run', 'p.yaml'], {}, folder);
  assert.is(code, 0, stderr);
  const [first] = readCsv(join(folder, 'out/metrics.csv'));
  assert.equal(first, { case: 'a', 'dice_whole tumor': '1', dice_core: '1', dice_mean: '1' });
  assert.match(stdout + stderr, /Warning: [ab]: Label 4 occurs, but the dataset does not name it/);
  const { notes } = JSON.parse(readFileSync(join(folder, 'out/summary.json'), 'utf8'));
  assert.equal(Object.keys(notes), ['a', 'b']);
  const page = readFileSync(join(folder, 'out/report/index.html'), 'utf8');
  const told = /Label 4 occurs, but the dataset does not name it.*/.exec(page)?.[0] ?? '';
  assert.match(told, /data-open="a".*data-open="b"/);
});

test.run();
