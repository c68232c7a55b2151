import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  imageExtensions,
  isImageFile,
  readGrid,
  readVolume,
  stripImageExtension,
} from '#src/formats/index.js';
import { buildNifti, fails, temporaryFolder } from './buildNifti.js';

const put = temporaryFolder();

test('stripImageExtension gives the id of a case', () => {
  for (const extension of imageExtensions) {
    assert.is(stripImageExtension(`imagesTr/spleen_2${extension}`), 'spleen_2');
    assert.is(stripImageExtension(`spleen_2${extension.toUpperCase()}`), 'spleen_2');
  }
  assert.is(stripImageExtension('/data/Müller 1.5mm.nii.gz'), 'Müller 1.5mm');
  assert.is(stripImageExtension('a.nii.nii.gz'), 'a.nii');
  assert.is(stripImageExtension('notes.txt'), 'notes.txt');
});

test('isImageFile knows images by name and leaves hidden and unfinished ones out', () => {
  assert.ok(['a.nii.gz', 'in/a.NII', 'a.nrrd', 'a.nhdr', 'a.mha', 'a.mhd'].every(isImageFile));
  const others = [
    '._a.nii.gz',
    'in/._a.nii',
    '.DS_Store',
    '.nii.gz',
    'a.gz',
    'a.raw',
    'a.nii.gz.12-ab.partial',
    'nii',
  ];
  assert.not.ok(others.some(isImageFile));
});

test('readGrid says how many bytes a voxel takes once it is read', async () => {
  const affine = [-1, 0, 0, 1, 0, 1, 0, -0.5, 0, 0, 1, -0.5, 0, 0, 0, 1];
  const grid = { size: [3, 2, 2], affine, channels: 1 };
  assert.equal(await readGrid(put('a.nii.gz', gzipSync(buildNifti()))), {
    ...grid,
    bytesPerVoxel: 2,
    bytesToRead: 24,
  });
  assert.equal(await readGrid(put('a.nii', buildNifti({ slope: 2 }))), {
    ...grid,
    bytesPerVoxel: 4,
    bytesToRead: 24 + 48,
  });
  assert.equal(await readGrid(put('a.nii', buildNifti({ dims: [3, 2, 2, 3] }))), {
    ...grid,
    channels: 3,
    bytesPerVoxel: 2,
    bytesToRead: 72,
  });
  await fails(readGrid(put('a.mha', 'text')), 'is not a MetaImage file');
});

test('readVolume takes a file of another name for NIfTI', async () => {
  assert.equal((await readVolume(put('no extension', buildNifti()), { kind: 'image' })).size, [3, 2, 2]);
  await fails(readVolume(put('a.png', '\u0089PNG'), { kind: 'image' }), 'a.png is not a NIfTI file');
});

test.run();
