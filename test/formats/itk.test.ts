import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  giplWriteImageNode,
  hdf5WriteImageNode,
  mincWriteImageNode,
  mrcWriteImageNode,
  vtkWriteImageNode,
} from '@itk-wasm/image-io';
import type { Image } from 'itk-wasm';
import { from, lastValueFrom } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { VoxError } from '#src/errors.js';
import { readGrid, readVolume } from '#src/formats/index.js';
import { load } from '#src/operators/load.js';
import { defaultRuntime } from '#src/runtime/runtime.js';
import { type Volume, voxelTypeOf } from '#src/volume/volume.js';
import { root } from '../e2e/harness.js';
import { buildLsm } from './buildLsm.js';
import { fails, lcg, temporaryFolder } from './buildNifti.js';
import { close, expectedImages, fixturePath, sameInSpace } from './expectedImages.js';

const put = temporaryFolder();
const image = { kind: 'image' } as const;
const spacing = [0.5, 2, 3] as const;
const isTiff = (name: string) => /\.tif$/.test(name);

/** Reads a file; a TIFF file with a voxel size. */
function read(file: string): Promise<Volume> {
  return readVolume(isTiff(file) ? { file, spacing } : file, image);
}

test('HDF5 files are read as h5py wrote them, with the affine in RAS+', async () => {
  for (const name of ['plain.h5', 'deflated.hdf5']) {
    const { size, type, values, affine } = expectedImages[name];
    const volume = await read(fixturePath(name));
    assert.equal([volume.size, voxelTypeOf(volume.data), [...volume.data]], [size, type, values], name);
    close(volume.affine, affine!, 1e-9);
    assert.equal(volume.notes, []);
    const grid = await readGrid(fixturePath(name));
    assert.equal([grid.size, grid.affine, grid.channels], [volume.size, volume.affine, 1]);
  }
});

test('MINC files are read as nibabel reads them, in any order of axes, with their real values', async () => {
  for (const name of ['transverse.mnc', 'sagittal.mnc', 'rotated.mnc', 'scaled.mnc']) {
    const volume = await read(fixturePath(name));
    // Scaled values are float32 here and float64 in nibabel.
    sameInSpace(volume, expectedImages[name], 1e-5);
  }
});

test('TIFF stacks are read as tifffile wrote them, with the voxel size that was given', async () => {
  for (const name of ['stack.tif', 'deflated.tif', 'big.tif']) {
    const { size, type, values } = expectedImages[name];
    const volume = await read(fixturePath(name));
    assert.equal([volume.size, voxelTypeOf(volume.data), [...volume.data]], [size, type, values], name);
    close(volume.affine, [-0.5, 0, 0, 0, 0, -2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1], 0);
    assert.match(volume.notes!.join(), /states no patient directions, as TIFF cannot; x was taken/);
    assert.equal((await readGrid({ file: fixturePath(name), spacing })).affine, volume.affine);
  }
});

test('TIFF is refused without a voxel size, and load takes one', async () => {
  const file = fixturePath('stack.tif');
  await fails(readVolume(file, image), 'does not state the size of its voxels', 'load: { spacing:');
  const subject = makeCase({ id: 'a', files: { image: file, other: fixturePath('plain.h5') } });
  const loaded = await lastValueFrom(from([subject]).pipe(load({ spacing: [0.5, 2, 3] })));
  close(loaded.volumes['image'].affine, [-0.5, 0, 0, 0, 0, -2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1], 0);
  // A file that states its voxel size keeps it.
  close(loaded.volumes['other'].affine, expectedImages['plain.h5'].affine!, 1e-9);
  // Later readers of the file, e.g. of the report, get the size with it.
  assert.equal(loaded.files['image'], { file, spacing: [0.5, 2, 3] });
  await defaultRuntime().close();
});

test('a TIFF file that mixes slices with time points, or holds one slice, is refused', async () => {
  await fails(read(fixturePath('hyperstack.tif')), 'mixes slices with 2 time points');
  // Without the offset of the second page.
  const single = readFileSync(fixturePath('stack.tif'));
  const directory = single.readUInt32LE(4);
  single.writeUInt32LE(0, directory + 2 + 12 * single.readUInt16LE(directory));
  await fails(read(put('single.tif', single)), 'is 2D (5 x 4)');
});

test('LSM stacks are read without their thumbnails, and refused with several channels or time points', async () => {
  const readLsm = (bytes: Buffer) => readVolume({ file: put('a.lsm', bytes), spacing }, image);
  const { size, data: voxels, affine } = await readLsm(buildLsm([5, 4, 3]));
  assert.equal([size, voxelTypeOf(voxels)], [[5, 4, 3], 'uint8']);
  assert.equal([...voxels], [...Array(60).keys()]);
  close(affine, [-0.5, 0, 0, 0, 0, -2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1], 0);
  await fails(readLsm(buildLsm([5, 4, 3], 2)), 'mixes slices with 2 channels');
  await fails(readLsm(buildLsm([5, 4, 3], 1, 4)), 'mixes slices with 4 time points');
  await fails(readLsm(buildLsm([5, 4, 3]).subarray(0, -40)), 'cut off or damaged');
});

/** An oblique image, as itk-wasm's own writers take it. */
const data = Int16Array.from({ length: 60 }, (_, i) => 100 * i - 7);
const [c, s] = [Math.cos(0.3), Math.sin(0.3)];
const written: Image = {
  imageType: { dimension: 3, componentType: 'int16', pixelType: 'Scalar', components: 1 },
  name: 'image',
  origin: [1, 2, 3],
  spacing: [0.5, 2, 3],
  direction: new Float64Array([c, -s, 0, s, c, 0, 0, 0, 1]),
  size: [5, 4, 3],
  data,
  metadata: new Map(),
} as Image;

test('what itk-wasm writes is read with the same voxels', async () => {
  const straight = [-0.5, 0, 0, -1, 0, -2, 0, -2, 0, 0, 3, 3, 0, 0, 0, 1];
  const oblique = [-0.5 * c, 2 * s, 0, -1, -0.5 * s, -2 * c, 0, -2, 0, 0, 3, 3, 0, 0, 0, 1];
  // ITK writes LPS into MINC as if it were RAS; other programs read RAS, and so do we.
  const asRas = oblique.map((value, i) => (i < 8 ? -value : value));
  const mm = straight.map((value, i) => (i < 12 ? value * 1e-7 : value));
  for (const [name, write, affine] of [
    ['a.hdf5', hdf5WriteImageNode, oblique],
    ['a.mnc', mincWriteImageNode, asRas],
    ['a.gipl', giplWriteImageNode, straight],
    ['a.vtk', vtkWriteImageNode, straight],
    ['a.mrc', mrcWriteImageNode, mm],
  ] as const) {
    const file = put(name);
    await write(written, file);
    const volume = await readVolume(file, image);
    assert.equal([volume.size, [...volume.data]], [[5, 4, 3], [...data]], name);
    close(volume.affine, affine, 1e-6);
    const grid = await readGrid(file);
    assert.equal([grid.size, grid.affine], [volume.size, volume.affine]);
  }
  const packed = put('a.gipl.gz', gzipSync(readFileSync(put('a.gipl'))));
  assert.equal([...(await readVolume(packed, image)).data], [...data]);
});

test('formats that state no patient directions say what was assumed', async () => {
  for (const name of ['a.gipl', 'a.vtk', 'a.mrc']) {
    const { notes } = await readVolume(put(name), image);
    assert.match(notes!.join(), /states no patient directions.* x was taken to point to the left/, name);
  }
  assert.match((await readVolume(put('a.mrc'), image)).notes!.join(), /is in ångström/);
});

test('a legacy VTK file with its numbers as text is read, and refused if some are missing', async () => {
  const text =
    '# vtk DataFile Version 3.0\ntitle\nASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 2 2 2\n' +
    'SPACING 1 2 3\nORIGIN 4 5 6\nPOINT_DATA 8\nSCALARS scalars short 1\nLOOKUP_TABLE default\n1 2 3 4\n5 6 7 8\n';
  const volume = await readVolume(put('text.vtk', text), image);
  assert.equal([...volume.data], [1, 2, 3, 4, 5, 6, 7, 8]);
  close(volume.affine, [-1, 0, 0, -4, 0, -2, 0, -5, 0, 0, 3, 6, 0, 0, 0, 1], 0);
  await fails(readVolume(put('cut.vtk', text.slice(0, -3)), image), 'holds 7 numbers, but its header says 8');
  const mesh = text.replace('STRUCTURED_POINTS', 'POLYDATA');
  await fails(readVolume(put('mesh.vtk', mesh), image), 'the dataset "POLYDATA"');
});

test('every cut of a file is refused', async () => {
  const files = [
    ...['plain.h5', 'deflated.hdf5', 'scaled.mnc', 'stack.tif', 'deflated.tif', 'big.tif'].map(fixturePath),
    ...['a.gipl', 'a.gipl.gz', 'a.vtk', 'a.mrc'].map((name) => put(name)),
  ];
  for (const file of files) {
    const bytes = readFileSync(file);
    const name = `cut${/(\.gipl)?\.\w+$/.exec(file)![0]}`;
    for (let part = 0; part < 12; part++) {
      const length = Math.floor((bytes.length * part) / 12);
      await fails(read(put(name, bytes.subarray(0, length))), name);
    }
    // The last bytes may be unused: a line break in VTK, padding in TIFF.
    const sound = await read(file);
    const cut = await read(put(name, bytes.subarray(0, -1))).catch(() => sound);
    assert.equal(cut.data, sound.data, name);
  }
});

test('wrong directions, types and other files are refused with what to do', async () => {
  const changed = (name: string, at: number, value: number) => {
    const bytes = readFileSync(put(name));
    bytes[at] = value;
    return readVolume(put(`changed-${name}`, bytes), image);
  };
  await fails(changed('a.gipl', 107, 1), 'orientation matrix', 'Convert it to NIfTI');
  await fails(changed('a.gipl', 7, 2), 'is 4D');
  await fails(changed('a.gipl', 9, 99), 'GIPL type 99');
  await fails(changed('a.mrc', 12, 0), 'MRC mode 0');
  await fails(changed('a.mrc', 64, 3), 'its axes in the order [3, 2, 3]');
  await fails(
    readVolume(put('old.mnc', Buffer.from('CDF\x01data')), image),
    'a MINC 1 file',
    'mincconvert -2',
  );
  await fails(readVolume(put('a.tiff', 'text'), image), 'begins with "text"');
  await fails(readVolume(put('b.h5', ''), image), 'is empty');
  const other = readFileSync(fixturePath('plain.h5'));
  const renamed = Buffer.from(other.toString('latin1').replaceAll('ITKImage', 'MyImages'), 'latin1');
  await fails(readVolume(put('other.h5', renamed), image), 'cannot be read as HDF5: itk-wasm');
});

test('mutated files end with a volume of the size in their header, or with a sentence', async () => {
  const random = lcg(7);
  const sound = ['stack.tif', 'deflated.tif']
    .map(fixturePath)
    .concat(put('a.gipl'), put('a.mrc'), put('a.vtk'));
  let refused = 0;
  for (let round = 0; round < 120; round++) {
    const file = sound[round % sound.length];
    const bytes = readFileSync(file);
    for (let flips = 1 + random(3); flips > 0; flips--) bytes[random(bytes.length)] = random(256);
    const name = `mutated${/\.\w+$/.exec(file)![0]}`;
    try {
      const volume = await read(put(name, bytes));
      const grid = await readGrid(isTiff(name) ? { file: put(name), spacing } : put(name));
      assert.equal([volume.size, volume.affine], [grid.size, grid.affine]);
      assert.is(volume.data.length, volume.size[0] * volume.size[1] * volume.size[2] * volume.channels);
    } catch (error) {
      if (!(error instanceof VoxError)) throw error;
      assert.ok(error.message.includes(name) && error.message.endsWith('.'), error.message);
      refused++;
    }
  }
  assert.ok(refused > 20 && refused < 120, String(refused));
});

const dataUrl = (module: string) => `data:text/javascript,${encodeURIComponent(module)}`;

test('itk-wasm is loaded by the first file that needs it, not by the import of voxstream', () => {
  const markItk = dataUrl(`export async function load(url, context, next) {
    const loaded = await next(url, context);
    if (!/node_modules.(@itk-wasm|itk-wasm)/.test(url)) return loaded;
    return { ...loaded, source: 'globalThis.itk = true;' + loaded.source };
  }`);
  const hooks = dataUrl(`import { register } from 'node:module'; register(${JSON.stringify(markItk)});`);
  const program = `
    await import(${JSON.stringify(join(root, 'dist/index.js'))});
    const { readVolume } = await import(${JSON.stringify(join(root, 'dist/formats/index.js'))});
    for (const file of process.argv.slice(1)) {
      await readVolume(file, { kind: 'image' });
      console.log(globalThis.itk ? 'loaded' : 'not loaded');
    }`;
  const files = ['bytes.mgh', 'plain.h5'].map(fixturePath);
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', hooks, '--input-type=module', '-e', program, ...files],
    { encoding: 'utf8', cwd: root },
  );
  assert.is(stdout, 'not loaded\nloaded\n', stderr);
});

test.run();
