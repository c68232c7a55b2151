import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAxcodes } from '#src/volume/orientation.js';
import { reorient } from '#src/volume/reorient.js';
import { resampleTo, respace, respacedGrid } from '#src/volume/resample.js';
import {
  makeVolume,
  type ResamplePadding,
  type Vec3,
  type VoxelArray,
  voxelTypeOf,
} from '#src/volume/volume.js';

interface Resampling {
  readonly name: string;
  readonly size: Vec3;
  readonly affine: number[];
  readonly axcodes: string;
  readonly pixdim: Vec3;
  readonly padding: ResamplePadding;
  readonly oriented: { size: Vec3; affine: number[]; image: number[] };
  readonly spaced: { size: Vec3; affine: number[]; image: number[]; label: number[] };
}

const { resampling } = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/geometry.json', import.meta.url), 'utf8'),
) as { resampling: Resampling[] };

/** What make_geometry.py fills its volumes with. */
function fill(size: Vec3, value: (i: number, j: number, k: number) => number): Int16Array {
  const data: number[] = [];
  for (let k = 0; k < size[2]; k++) {
    for (let j = 0; j < size[1]; j++) for (let i = 0; i < size[0]; i++) data.push(value(i, j, k));
  }
  return Int16Array.from(data);
}

const largestDifference = (found: ArrayLike<number>, expected: ArrayLike<number>) => {
  assert.is(found.length, expected.length);
  return Math.max(...Array.from(expected, (value, i) => Math.abs(found[i] - value)));
};

const settings = { padding: 'border', diagonal: false, scaleExtent: false } as const;
const along = (sx: number, sy: number, sz: number) => [sx, 0, 0, 0, 0, sy, 0, 0, 0, 0, sz, 0, 0, 0, 0, 1];
const line = (values: number[], spacing: number, Type: { from(values: number[]): VoxelArray } = Int16Array) =>
  makeVolume({ data: Type.from(values), size: [values.length, 1, 1], affine: along(spacing, 1, 1) });

for (const expected of resampling) {
  test(`${expected.name}: grids and voxels as nibabel 5.0 and PyTorch 1.13 give them`, () => {
    const { size, affine } = expected;
    const target = parseAxcodes(expected.axcodes);
    const image = makeVolume({
      data: fill(size, (i, j, k) => ((7 * i + 13 * j + 29 * k) % 41) * 25 - 500),
      size,
      affine,
    });
    const label = makeVolume({
      data: fill(size, (i, j, k) => (3 * i + 5 * j + 7 * k) % 5),
      size,
      affine,
      kind: 'label',
    });
    const oriented = reorient(image, target);
    assert.equal(oriented.size, expected.oriented.size);
    assert.equal(Array.from(oriented.data), expected.oriented.image);
    assert.ok(largestDifference(oriented.affine, expected.oriented.affine) < 1e-12);

    const { pixdim, padding } = expected;
    const spaced = respace(oriented, { ...settings, pixdim, padding, mode: 'bilinear' });
    assert.equal(spaced.size, expected.spaced.size);
    assert.ok(largestDifference(spaced.affine, expected.spaced.affine) < 1e-9);
    // The expected values are rounded to 0.001, and ours to float32, whose last bit is 6e-5 at 1000.
    assert.ok(largestDifference(spaced.data, expected.spaced.image) < 7e-4);
    const labels = respace(reorient(label, target), { ...settings, pixdim, padding, mode: 'nearest' });
    assert.equal(Array.from(labels.data), expected.spaced.label);
  });
}

test('linear interpolation takes the mean of its neighbours, by distance, as float32', () => {
  const spaced = respace(line([0, 10, 40], 2), { ...settings, pixdim: [0.5, 1, 1], mode: 'bilinear' });
  assert.is(voxelTypeOf(spaced.data), 'float32');
  assert.equal(Array.from(spaced.data), [0, 2.5, 5, 7.5, 10, 17.5, 25, 32.5, 40]);
  assert.equal(spaced.affine, along(0.5, 1, 1));
});

test('the nearest voxel keeps the type, and takes the later one of two equally near', () => {
  const spaced = respace(line([1, 2, 3, 4], 2, Uint8Array), {
    ...settings,
    pixdim: [1, 1, 1],
    mode: 'nearest',
  });
  assert.is(voxelTypeOf(spaced.data), 'uint8');
  assert.equal(Array.from(spaced.data), [1, 2, 2, 3, 3, 4, 4]);
});

test('outside the volume lies its border voxel, or zeros', () => {
  const volume = line([4, 8], 1);
  const grid = { size: [5, 1, 1], affine: [1, 0, 0, -1.5, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] } as const;
  assert.equal(Array.from(resampleTo(volume, grid, 'bilinear', 'border').data), [4, 4, 6, 8, 8]);
  // At -0.5 half of the first voxel's weight falls on what is not there.
  assert.equal(Array.from(resampleTo(volume, grid, 'bilinear', 'zeros').data), [0, 2, 6, 4, 0]);
  const half = { ...grid, affine: grid.affine.map((value, i) => (i === 3 ? -1.4 : value)) };
  assert.equal(Array.from(resampleTo(volume, half, 'nearest', 'zeros').data), [0, 4, 8, 0, 0]);
});

test('every channel is resampled, and the step is noted in the history', () => {
  const volume = makeVolume({
    data: Int16Array.of(0, 2, 10, 20),
    size: [2, 1, 1],
    channels: 2,
    affine: along(2, 1, 1),
  });
  const spaced = respace(volume, { ...settings, pixdim: [1, 1, 1], mode: 'bilinear' });
  assert.equal(Array.from(spaced.data), [0, 1, 2, 10, 15, 20]);
  assert.equal(spaced.history, [
    { step: 'resample', from: { size: [2, 1, 1], affine: along(2, 1, 1) }, padding: 'border' },
  ]);
});

test('a volume that lies on the grid already is returned as it is', () => {
  const volume = line([1, 2, 3], 1.5);
  assert.is(respace(volume, { ...settings, pixdim: [1.5, 1, 1], mode: 'bilinear' }), volume);
  const barely = { size: volume.size, affine: along(1.5004, 1, 1) };
  assert.is(resampleTo(volume, barely, 'nearest'), volume);
});

test('minPixdim and maxPixdim keep a voxel size between them', () => {
  const size: Vec3 = [4, 4, 4];
  const volume = makeVolume({ data: new Uint8Array(64), size, affine: along(0.7, 1.2, 3) });
  const limits = {
    ...settings,
    pixdim: [1, 1, 1] as Vec3,
    minPixdim: [0.9, 0.9, 0.9],
    maxPixdim: [1.5, 1.5, 1.5],
  };
  const grid = respacedGrid(volume, limits);
  // 0.7 and 3 mm lie outside and become 1 mm; 1.2 mm stays.
  assert.equal([grid.affine[0], grid.affine[5], grid.affine[10]], [1, 1.2, 1]);
});

test('a singular affine is refused', () => {
  const volume = makeVolume({ data: new Uint8Array(1), size: [1, 1, 1], affine: new Array(16).fill(0) });
  assert.throws(
    () => resampleTo(volume, { size: [1, 1, 1], affine: along(1, 1, 1) }, 'nearest'),
    'The affine of the volume is singular',
  );
});

test('grids that differ by micrometres are distinguished', () => {
  const at = (step: number) => [step, 0, 0, 0, 0, step, 0, 0, 0, 0, step, 0, 0, 0, 0, 1];
  const volume = makeVolume({ data: Float32Array.of(0, 10, 20), size: [3, 1, 1], affine: at(0.001) });
  const finer = resampleTo(volume, { size: [3, 1, 1], affine: at(0.0005) }, 'bilinear', 'border');
  assert.equal([...finer.data], [0, 5, 10]);
  const settings = { pixdim: [0.0005, 0.0005, 0.0005], diagonal: false, scaleExtent: false } as const;
  assert.equal(respacedGrid(volume, settings).size, [5, 1, 1]);
  assert.equal(respacedGrid(volume, { ...settings, pixdim: [0.001, 0.001, 0.001] }).size, [3, 1, 1]);
});

test.run();
