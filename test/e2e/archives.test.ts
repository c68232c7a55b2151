import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { buildNifti } from '../formats/buildNifti.js';
import { tarMember } from '../formats/buildTar.js';
import { readCsv, temporaryFolder, voxstream } from './harness.js';

const size = [6, 5, 4];
const voxels = 120;
/** Voxels of 0.5 x 0.5 x 4 mm. */
const sform = { code: 1, rows: [-0.5, 0, 0, 10, 0, 0.5, 0, 20, 0, 0, 4, 30] };

/** A small archive of the Decathlon: images of several channels, several labels, and macOS `._*` files. */
function archive(name: string, modality: object, labels: object, caseIds: readonly string[]): Buffer {
  const channels = Object.keys(modality).length;
  const values = Array.from({ length: voxels }, (_, i) => i % Object.keys(labels).length);
  const members = caseIds.flatMap((id, k) => {
    const image = Array.from({ length: channels * voxels }, (_, i) => (i * 37 + k) % 1009);
    return [
      tarMember(`${name}/imagesTr/._${id}.nii.gz`, 'not an image'),
      tarMember(
        `${name}/imagesTr/${id}.nii.gz`,
        gzipSync(buildNifti({ dims: [...size, channels], values: image, sform })),
      ),
      tarMember(
        `${name}/labelsTr/${id}.nii.gz`,
        gzipSync(buildNifti({ dims: size, datatype: 2, values, sform })),
      ),
    ];
  });
  const training = caseIds.map((id) => ({
    image: `./imagesTr/${id}.nii.gz`,
    label: `./labelsTr/${id}.nii.gz`,
  }));
  const dataset = { name, tensorImageSize: '4D', modality, labels, numTraining: caseIds.length, training };
  return Buffer.concat([
    tarMember(`${name}/`, '', '5'),
    tarMember(`${name}/dataset.json`, JSON.stringify(dataset)),
    ...members,
    Buffer.alloc(1024),
  ]);
}

const tasks = [
  {
    name: 'Task05_Prostate',
    modality: { 0: 'T2', 1: 'ADC' },
    labels: { 0: 'background', 1: 'PZ', 2: 'TZ' },
    ids: ['prostate_00', 'prostate_01', 'prostate_10'],
  },
  {
    name: 'Task01_BrainTumour',
    modality: { 0: 'FLAIR', 1: 'T1w', 2: 't1gd', 3: 'T2w' },
    labels: { 0: 'background', 1: 'edema', 2: 'non-enhancing tumor', 3: 'enhancing tumour' },
    ids: ['BRATS_001', 'BRATS_002'],
  },
];

for (const { name, modality, labels, ids } of tasks) {
  test(`${name} is read from its archive: channels, label names and the voxels of each label`, async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, `${name}.tar`), archive(name, modality, labels, ids));
    const pipeline = {
      ...{ name: 'p', output: 'out' },
      source: { decathlon: { root: `${name}.tar`, split: 'validation', validation: 1 } },
      steps: [
        'load',
        { orient: { axcodes: 'RAS' } },
        { dice: { pred: 'label' } },
        { volume: { pred: 'label' } },
      ],
      sinks: ['metricsCsv', { nifti: { keys: ['image', 'label'] } }],
    };
    writeFileSync(join(folder, 'p.yaml'), JSON.stringify(pipeline));
    // The label is turned with the image, so metrics read it again: compare it as the steps left it.
    const { code, stderr } = await voxstream(
      ['run', 'p.yaml', '--set', 'dice.stored=false', '--set', 'volume.stored=false'],
      {},
      folder,
    );
    assert.is(code, 0, stderr);
    const [row, ...others] = readCsv(join(folder, 'out/metrics.csv'));
    assert.equal([row.case, others], [ids.at(-1), []]);
    const names = Object.values(labels).slice(1);
    const count = voxels / (names.length + 1);
    for (const label of names) {
      assert.is(row[`dice_${label}`], '1');
      // 0.5 x 0.5 x 4 mm are 0.001 mL.
      assert.ok(Math.abs(Number(row[`volume_ml_ref_${label}`]) - count * 0.001) < 1e-9);
    }
    const file = (key: string) => join(folder, 'out', `${ids.at(-1)}_${key}.nii.gz`);
    const image = await readVolume(file('image'), { kind: 'image' });
    assert.equal([image.size, image.channels], [size, Object.keys(modality).length]);
    // x is turned: the first voxel is the last of its row.
    const stored = (5 * 37 + ids.length - 1) % 1009;
    assert.is(image.data[0], stored);
    assert.equal(image.affine.slice(0, 4), [0.5, 0, 0, 7.5]);
  });
}

test.run();
