import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { readImageNode } from '@itk-wasm/image-io';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { nifti } from '#src/formats/nifti.js';
import { writeNifti } from '#src/formats/writeNifti.js';
import { spacingOf } from '#src/volume/affine.js';
import { cropOrPad } from '#src/volume/crop.js';
import { resampleTo, respacedGrid } from '#src/volume/resample.js';
import { makeVolume, type VoxelArray, type VoxelType, voxelTypeOf, voxelTypes } from '#src/volume/volume.js';
import { fixtures } from '../e2e/harness.js';
import { buildNifti, fails, temporaryFolder } from './buildNifti.js';

const put = temporaryFolder();
const volumeOf = (data: VoxelArray, kind: 'image' | 'label' | 'probability' = 'image') =>
  makeVolume({ data, size: [data.length, 1, 1], kind });
const again = (file: string) => nifti.read(file, { kind: 'image', nonFinite: true });

test('writeNifti writes every type so that it is read back, gzipped and plain', async () => {
  for (const type of Object.keys(voxelTypes) as VoxelType[]) {
    const data = voxelTypes[type].from([0, 1, 2, 100, 7, 3]) as VoxelArray;
    for (const name of ['a.nii', 'a.nii.gz', 'A.NII.GZ']) {
      const file = put(`written/${name}`);
      await writeNifti(file, makeVolume({ data, size: [1, 2, 1], channels: 3 }), { dtype: type });
      const volume = await again(file);
      assert.is(voxelTypeOf(volume.data), type);
      assert.equal([...volume.data], [...data]);
      assert.equal([volume.size, volume.channels], [[1, 2, 1], 3]);
      const bytes = readFileSync(file);
      const size = 352 + 6 * data.BYTES_PER_ELEMENT;
      assert.is(name.toLowerCase().endsWith('.gz') ? gunzipSync(bytes).length : bytes.length, size);
    }
  }
});

test('writeNifti takes the smallest integers for labels and float32 for the rest', async () => {
  const file = put('a.nii.gz');
  const cases: [VoxelArray, 'image' | 'label' | 'probability', VoxelType][] = [
    [Uint8Array.of(0, 1), 'label', 'uint8'],
    [Float32Array.of(0, 255), 'label', 'uint8'],
    [Int32Array.of(0, 256), 'label', 'uint16'],
    [Int32Array.of(0, 65536), 'label', 'uint32'],
    [Int16Array.of(-1, 5), 'label', 'int8'],
    [Int16Array.of(-1000, 3000), 'image', 'float32'],
    [Float64Array.of(0.5, 0.25), 'probability', 'float32'],
    [Float32Array.of(Number.NaN, Number.NEGATIVE_INFINITY), 'image', 'float32'],
  ];
  for (const [data, kind, type] of cases) {
    await writeNifti(file, volumeOf(data, kind));
    const volume = await again(file);
    assert.is(voxelTypeOf(volume.data), type);
    assert.equal([...volume.data], [...data]);
  }
});

test('writeNifti converts volumes of many pieces, and rounds what becomes integers', async () => {
  const data = Float32Array.from({ length: 3_000_000 }, (_, i) => ((i * 7919) % 4001) - 2000 + 0.25);
  data[5] = 1.5;
  const file = put('a.nii.gz');
  await writeNifti(file, makeVolume({ data, size: [100, 100, 300] }), { dtype: 'int16' });
  const volume = await again(file);
  assert.ok(volume.data.every((value, i) => value === Math.round(data[i])));
});

test('writeNifti refuses voxels that do not fit, and writes nothing', async () => {
  const file = put('refused/a.nii.gz');
  const write = (data: VoxelArray, dtype: VoxelType | 'auto', kind: 'image' | 'label' = 'image') =>
    writeNifti(file, volumeOf(data, kind), { dtype });
  await fails(
    write(Int16Array.of(-1000, 3000), 'uint8'),
    `${file} cannot be written: its voxels go from -1000 to 3000, which uint8 does not hold (0 to 255). Choose dtype int16.`,
  );
  await fails(
    write(Float32Array.of(0, 1e20), 'int32'),
    'from 0 to 100000002004087730000',
    'Choose dtype float32',
  );
  await fails(
    write(Float32Array.of(0, Number.NaN), 'uint8'),
    'uint8 does not hold its voxel NaN (at [1, 0, 0])',
  );
  await fails(
    write(Float64Array.of(0, 1e300), 'float32'),
    'float32 does not hold its voxel 1e+300',
    'float64',
  );
  await fails(
    write(Float64Array.of(0, 1e12), 'auto', 'label'),
    'which no integer type holds. Choose dtype float32.',
  );
  assert.throws(() => readdirSync(dirname(file)));
  await fails(writeNifti(put('a.png'), volumeOf(Uint8Array.of(1))), 'its name must end in .nii or .nii.gz');
});

test('writeNifti keeps affine, form codes, units and description of the file that a volume came from', async () => {
  const sform = { code: 4, rows: [-0.7, 0.1, 0, 10.1, -0.1, -0.7, 0, 20.2, 0, 0, 2.5, -30.3] };
  const qform = { code: 0, quatern: [0, 0, 1], offset: [0, 0, 0] };
  const source = await again(put('source.nii', buildNifti({ sform, qform, descrip: 'scanner 7' })));
  const derived = makeVolume({
    data: new Uint8Array(12),
    size: source.size,
    affine: source.affine,
    kind: 'label',
  });
  for (const [volume, options] of [
    [{ ...derived, origin: source.origin }, {}],
    [derived, { like: source }],
  ] as const) {
    await writeNifti(put('derived.nii.gz'), volume, options);
    const { affine, origin } = await again(put('derived.nii.gz'));
    assert.equal(affine, source.affine);
    // The voxel size of the header is the one that the affine has; the source's header had another one.
    assert.equal(origin?.nifti?.pixdim, [...spacingOf(affine)].map(Math.fround));
    assert.equal({ ...origin?.nifti, pixdim: 0 }, { ...source.origin?.nifti, pixdim: 0 });
    assert.is(origin?.nifti?.sformCode, 4);
    assert.is(origin?.nifti?.descrip, 'scanner 7');
  }
});

test('writeNifti gives back the golden inputs with the same affine', async () => {
  for (const name of [
    'lps-anisotropic',
    'oblique-10deg',
    'pir-permuted',
    'ras-to-1.5mm',
    'slope-intercept',
    'to-lps',
  ]) {
    const source = await again(join(fixtures, `golden/geometry/${name}/image.nii.gz`));
    await writeNifti(put('golden.nii.gz'), source);
    const { affine, data, size, origin } = await again(put('golden.nii.gz'));
    assert.equal(affine, source.affine);
    assert.equal(size, source.size);
    assert.equal(origin?.nifti, source.origin?.nifti);
    assert.ok(data.every((value, i) => value === Math.fround(source.data[i])));
  }
});

/** The direction, spacing and origin that itk-wasm 1.6 reads. */
async function itkSpace(file: string) {
  const { direction, spacing, origin } = await readImageNode(file);
  return [...[...direction].map(Number), ...spacing, ...origin];
}

test('a file that ITK opens is opened by it when it is written again, on its grid and on others', async () => {
  // A valid qform, and an sform that is sheared by half a degree: ITK goes by the qform.
  const bytes = buildNifti({
    dims: [6, 5, 4],
    pixdim: [-1, 0.8, 0.9, 2.5],
    qform: { code: 1, quatern: [0, 1, 0], offset: [90.5, -71.25, -40] },
    sform: { code: 1, rows: [-0.8, 0, 0.022, 90.5, 0.007, 0.9, 0, -71.25, 0, 0, 2.5, -40] },
  });
  const file = put('sheared.nii', bytes);
  const volume = await readVolume(file, { kind: 'image' });
  const expected = await itkSpace(file);
  const same = put('same.nii.gz');
  await writeNifti(same, volume);
  (await itkSpace(same)).forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]) < 1e-5, `${value} is not ${expected[i]}`);
  });
  const cropped = put('cropped.nii.gz');
  await writeNifti(cropped, cropOrPad(volume, [1, 2, 1], [4, 3, 2]));
  // Voxel (1, 2, 1) by the qform, in LPS.
  const origin = [-(90.5 - 0.8), -(-71.25 + 2 * 0.9), -40 + 2.5];
  (await itkSpace(cropped)).forEach((value, i) => {
    const wanted = i < 12 ? expected[i] : origin[i - 12];
    assert.ok(Math.abs(value - wanted) < 1e-4, `${value} is not ${wanted}`);
  });
  const respaced = put('respaced.nii.gz');
  const grid = respacedGrid(volume, { pixdim: [1, 1, 2], diagonal: false, scaleExtent: false });
  await writeNifti(respaced, resampleTo(volume, grid, 'bilinear', 'border'));
  assert.is((await itkSpace(respaced)).length, 15);
});

test('writeNifti stores the names of labels in an extension, which leaves the voxels as they are', async () => {
  const file = put('table.nii');
  const data = Uint8Array.of(0, 5, 7);
  const labelNames = { 5: 'liver', 7: 'a ]]> b' };
  const volume = { ...volumeOf(data, 'label'), labelNames };
  await writeNifti(file, volume, { labelTable: true });
  const bytes = readFileSync(file);
  const [offset, extended] = [bytes.readFloatLE(108), bytes.readInt32LE(352)];
  assert.equal([bytes[348], extended % 16, offset, bytes.readInt32LE(356)], [1, 0, 352 + extended, 0]);
  const text = bytes.toString('utf8', 360, offset);
  assert.match(text, /<Label Key="5" [^>]*><!\[CDATA\[liver\]\]><\/Label>/);
  assert.ok(text.includes('<![CDATA[a ]]]]><![CDATA[> b]]>'));
  assert.equal([...(await again(file)).data], [...data]);
  const itk = await readImageNode(file);
  assert.equal([...(itk.data as Uint8Array)], [...data]);
  await writeNifti(file, volume);
  assert.is(readFileSync(file).length, 355);
});

test.run();
