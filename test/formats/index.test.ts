import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  imageExtensions,
  imageFormat,
  isImageFile,
  readGrid,
  readVolume,
  registerFormat,
  stripImageExtension,
} from '#src/formats/index.js';
import { loadRegistry } from '#src/pipeline/extensions.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { task } from '#src/runtime/task.js';
import { root } from '../e2e/harness.js';
import { buildNifti, fails, temporaryFolder } from './buildNifti.js';

const put = temporaryFolder();

test('stripImageExtension gives the id of a case', () => {
  for (const extension of imageExtensions()) {
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

test('readVolume tells formats apart by content if the extension does not fit', async () => {
  const header = 'type: uint8\ndimension: 3\nsizes: 2 1 1\nencoding: raw\n\n';
  const nrrd = Buffer.concat([Buffer.from(`NRRD0004\n${header}`), Buffer.from([7, 8])]);
  for (const name of ['a', 'a.mha', 'a.nii', 'a.nrrd']) {
    assert.equal([...(await readVolume(put(name, nrrd), { kind: 'image' })).data], [7, 8], name);
  }
  assert.equal((await readVolume(put('b.nrrd', buildNifti()), { kind: 'image' })).size, [3, 2, 2]);
  assert.equal((await readGrid(put('b.mhd', gzipSync(buildNifti())))).size, [3, 2, 2]);
});

/** A format of another package: a size, then as many bytes. */
const foreignModule = `
  import { readFile } from 'node:fs/promises';
  import { imageFormat } from '#src/formats/index.js';
  import { makeVolume } from '#src/volume/volume.js';
  export const bytes = imageFormat({
    name: 'Bytes',
    extensions: ['.bytes.gz', '.bytes'],
    module: import.meta.url,
    readGrid: async () => ({ size: [1, 1, 1], channels: 1, affine: [], bytesPerVoxel: 1, bytesToRead: 1 }),
    read: async (file, { kind }) => {
      const data = new Uint8Array(await readFile(file));
      return makeVolume({ data, size: [data.length, 1, 1], kind, origin: { file } });
    },
  });
  export default { formats: [bytes] };
`;

test('a format of another package is known by its extensions, and read in worker threads', async () => {
  const folder = mkdtempSync(join(root, 'build/format-'));
  const module = join(folder, 'bytes.mjs');
  writeFileSync(module, foreignModule);
  assert.not.ok(isImageFile('a.bytes'));
  await loadRegistry([module]);
  assert.ok(isImageFile('a.bytes'));
  assert.is(stripImageExtension('ct_1.bytes.gz'), 'ct_1');
  const file = put('a.bytes', Buffer.from([1, 2, 3]));
  const read = task(new URL('../../../dist/formats/index.js', import.meta.url), readVolume);
  const runtime = createRuntime({ workers: 1 });
  try {
    const volume = await runtime.run(read, file, { kind: 'image' });
    assert.equal(
      [[...volume.data], volume.size],
      [
        [1, 2, 3],
        [3, 1, 1],
      ],
    );
  } finally {
    await runtime.close();
    rmSync(folder, { recursive: true });
  }
});

test('registerFormat refuses extensions that no file name matches, and formats without a module', () => {
  const format = imageFormat({
    name: 'MGH',
    extensions: ['mgz'],
    readGrid,
    read: readVolume,
  });
  assert.throws(
    () => registerFormat(format),
    /image format "MGH" has the extension "mgz", but one in lower case/,
  );
  assert.throws(() => registerFormat({ ...format, extensions: ['.mgz'] }), /"MGH" names no module/);
});

test('readVolume takes a file of unknown format for NIfTI', async () => {
  assert.equal((await readVolume(put('no extension', buildNifti()), { kind: 'image' })).size, [3, 2, 2]);
  await fails(readVolume(put('a.png', '\u0089PNG'), { kind: 'image' }), 'a.png is not a NIfTI file');
});

test.run();
