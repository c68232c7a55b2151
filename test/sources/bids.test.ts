import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Case } from '#src/case.js';
import type { OptionsOf } from '#src/options.js';
import { bids } from '#src/sources/bids.js';
import { temporaryFolder } from '../e2e/harness.js';

const lesions = 'derivatives/manual';
const files = {
  'dataset_description.json': '{}',
  'sub-01/anat/sub-01_T1w.nii.gz': '',
  'sub-01/anat/sub-01_T1w.json': '{}',
  'sub-01/anat/sub-01_FLAIR.nii.gz': '',
  'sub-02/ses-1/anat/sub-02_ses-1_run-1_T1w.nii.gz': '',
  'sub-02/ses-1/anat/sub-02_ses-1_run-2_T1w.nii.gz': '',
  [`${lesions}/sub-01/anat/sub-01_space-MNI_label-lesion_mask.nii.gz`]: '',
  [`${lesions}/sub-01/anat/sub-01_label-lesion_mask.nii.gz`]: '',
  [`${lesions}/sub-02/ses-1/anat/sub-02_ses-1_run-2_label-lesion_mask.nii.gz`]: '',
  'derivatives/parts/dseg.tsv': 'index\tname\tcolor\n0\tbackground\t\n1\tleft\t\n2\tright\t\n',
  'derivatives/parts/sub-01/anat/sub-01_desc-a_dseg.nii.gz': '',
  'derivatives/other/sub-01/anat/sub-01_desc-b_dseg.nii.gz': '',
};

async function open(options: Omit<OptionsOf<typeof bids>, 'root'>) {
  const root = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  const { built, faults } = bids.configure({ root, ...options });
  if (!built) throw new Error(faults.map(({ message }) => message).join());
  const items = [];
  for await (const item of built.open()) items.push(item);
  return items.map((item) => JSON.parse(JSON.stringify(item).replaceAll(`${root}/`, '')));
}

test('bids reads images of subjects and sessions, with the masks that belong to them', async () => {
  const items = await open({ label: 'label-lesion_mask' });
  assert.equal(
    items.map(({ id, files: { label } }) => [id, label]),
    [
      ['sub-01', `${lesions}/sub-01/anat/sub-01_label-lesion_mask.nii.gz`],
      // The mask names its run, because the session has two.
      ['sub-02_ses-1_run-1', undefined],
      ['sub-02_ses-1_run-2', `${lesions}/sub-02/ses-1/anat/sub-02_ses-1_run-2_label-lesion_mask.nii.gz`],
    ],
  );
  assert.is(items[0].files.image, 'sub-01/anat/sub-01_T1w.nii.gz');
  assert.equal((items[0] as Case).labelNames, { 1: 'lesion' });
});

test('bids stacks several suffixes as channels, and refuses a case that lacks one', async () => {
  const items = await open({ suffix: ['T1w', 'FLAIR'] });
  assert.equal(items[0].files.image, {
    channels: ['sub-01/anat/sub-01_T1w.nii.gz', 'sub-01/anat/sub-01_FLAIR.nii.gz'],
  });
  assert.match(items[1].refused, /has no file sub-02\/ses-1\/anat\/sub-02_ses-1_run-1_FLAIR\.nii\.gz/);
});

test('bids takes label names from dseg.tsv, and refuses a case with several masks', async () => {
  const [one] = await open({ label: 'dseg', derivatives: 'parts' });
  assert.equal(one.labelNames, { 1: 'left', 2: 'right' });
  const [two] = await open({ label: 'dseg' });
  assert.match(two.refused, /2 masks fit case sub-01: .* Set source\.derivatives/);
});

test('bids says which images and masks it looked for', async () => {
  const refusal = (options: Omit<OptionsOf<typeof bids>, 'root'>) =>
    open(options).then(
      () => 'nothing',
      (error: Error) => error.message,
    );
  assert.match(await refusal({ suffix: 'T2w' }), /has no image sub-\*\/\*\*\/\*_T2w\.nii\.gz/);
  assert.match(await refusal({ label: 'x_mask' }), /has no mask derivatives\/\*\/sub-\*\/\*\*\/\*_x_mask/);
  assert.match(await refusal({ derivatives: 'manual' }), /derivatives goes with label/);
});

test.run();
