import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError } from '#src/errors.js';
import { readVolume } from '#src/formats/index.js';
import { synthDataset } from '#src/synth/dataset.js';
import { makePhantom } from '#src/synth/phantom.js';
import type { Vec3 } from '#src/volume/volume.js';

const size: Vec3 = [24, 24, 16];
const test = suite<{ folder: string }>('synthDataset');

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'voxstream-synth-'));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true }));

async function refusal(folder: string, options: Parameters<typeof synthDataset>[1]): Promise<string> {
  try {
    await synthDataset(folder, options);
  } catch (error) {
    assert.instance(error, OptionError);
    return (error as Error).message;
  }
  throw new Error('It was not refused.');
}

test('writes the Decathlon layout, and files that hold the phantoms', async ({ folder }) => {
  const seen: string[] = [];
  const written = await synthDataset(folder, {
    cases: 2,
    testCases: 1,
    seed: 3,
    size,
    onCase: (id, done, total) => seen.push(`${id} ${done}/${total}`),
  });
  assert.equal(written, { training: ['synth_001', 'synth_002'], test: ['synth_003'] });
  assert.equal(seen, ['synth_001 1/3', 'synth_002 2/3', 'synth_003 3/3']);
  assert.equal(readdirSync(folder).sort(), ['dataset.json', 'imagesTr', 'imagesTs', 'labelsTr']);
  const list = JSON.parse(readFileSync(join(folder, 'dataset.json'), 'utf8'));
  assert.equal(list.labels, { 0: 'background', 1: 'spleen' });
  assert.equal([list.numTraining, list.numTest], [2, 1]);
  assert.equal(list.training[1], {
    image: './imagesTr/synth_002.nii.gz',
    label: './labelsTr/synth_002.nii.gz',
  });
  assert.equal(list.test, ['./imagesTs/synth_003.nii.gz']);
  const image = await readVolume(join(folder, list.training[1].image), { kind: 'image' });
  const label = await readVolume(join(folder, list.training[1].label), { kind: 'label' });
  const phantom = makePhantom({ seed: 3, index: 1, size });
  assert.equal(image.data, phantom.image.data);
  assert.equal(image.affine, phantom.image.affine);
  assert.equal(label.data, phantom.label.data);
  assert.equal(label.affine, phantom.label.affine);
});

test('the same seed writes the same bytes, and replaces an earlier dataset whole', async ({ folder }) => {
  const file = join(folder, 'imagesTr', 'synth_001.nii.gz');
  await synthDataset(folder, { cases: 1, testCases: 0, size });
  const before = readFileSync(file);
  await synthDataset(folder, { cases: 3, testCases: 0, seed: 1, size });
  assert.not.equal(readFileSync(file), before);
  mkdirSync(join(folder, 'results'));
  await synthDataset(folder, { cases: 1, testCases: 0, size });
  assert.equal(readFileSync(file), before);
  assert.equal(readdirSync(join(folder, 'imagesTr')), ['synth_001.nii.gz']);
  assert.equal(readdirSync(join(folder, 'labelsTr')), ['synth_001.nii.gz']);
  assert.ok(existsSync(join(folder, 'results')));
});

test('goes on where a run was interrupted before the list was written', async ({ folder }) => {
  mkdirSync(join(folder, 'imagesTr'));
  writeFileSync(join(folder, 'imagesTr', 'synth_007.nii.gz'), '');
  writeFileSync(join(folder, 'imagesTr', 'synth_008.nii.gz.17-abcd.partial'), '');
  await synthDataset(folder, { cases: 1, testCases: 0, size });
  assert.equal(readdirSync(join(folder, 'imagesTr')), ['synth_001.nii.gz']);
});

test('refuses a folder that holds other things, and touches nothing', async ({ folder }) => {
  writeFileSync(join(folder, 'notes.txt'), 'mine');
  assert.match(
    await refusal(folder, { cases: 1, size }),
    /holds other files than phantoms \("notes\.txt"\), so nothing was written there\. Choose a folder/,
  );
  assert.equal(readdirSync(folder), ['notes.txt']);
  assert.match(
    await refusal(join(folder, 'notes.txt'), { cases: 1, size }),
    /notes\.txt is a file, but a folder/,
  );
});

test("refuses another dataset, and a synthetic one with somebody's images in it", async ({ folder }) => {
  writeFileSync(join(folder, 'dataset.json'), '{"name": "Spleen"}');
  assert.match(await refusal(folder, { cases: 1, size }), /\("dataset\.json"\)/);
  rmSync(join(folder, 'dataset.json'));
  await synthDataset(folder, { cases: 1, testCases: 0, size });
  writeFileSync(join(folder, 'imagesTr', 'spleen_1.nii.gz'), '');
  assert.match(await refusal(folder, { cases: 1, size }), /\("imagesTr.spleen_1\.nii\.gz"\)/);
  assert.ok(existsSync(join(folder, 'dataset.json')));
});

test('names every option that is out of range', async ({ folder }) => {
  const bad = {
    cases: -1,
    testCases: 1.5,
    seed: Number.NaN,
    size: [4, 24, 24] as Vec3,
    spacing: [1, 0, 1] as Vec3,
  };
  assert.is(
    await refusal(folder, { ...bad, labels: 'liver' as 'organs' }),
    [
      'synth: cases must be a whole number from 0 to 100000, but it is -1.',
      'synth: testCases must be a whole number from 0 to 100000, but it is 1.5.',
      'synth: seed must be a whole number from 0 on, but it is NaN.',
      'synth: size must be three whole numbers of voxels from 8 to 1024, but it is [4, 24, 24].',
      'synth: spacing must be three positive numbers in mm, of at most 50, but it is [1, 0, 1].',
      'synth: labels must be "spleen" or "organs", but it is "liver".',
    ].join('\n'),
  );
  assert.match(await refusal(folder, { cases: 0, testCases: 0 }), /there is nothing to write/);
  assert.equal(readdirSync(folder), []);
});

test.run();
