import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '#src/errors.js';
import { classPatchStarts, patchStarts } from '#src/volume/patches.js';
import { makeVolume, type Vec3 } from '#src/volume/volume.js';

const size: Vec3 = [20, 16, 10];
const at = (x: number, y: number, z: number) => (z * size[1] + y) * size[0] + x;
const label = makeVolume({ data: new Uint8Array(3200), size, kind: 'label' });
label.data[at(10, 8, 5)] = 1;
label.data[at(0, 0, 0)] = 2;
const settings = {
  spatialSize: [5, 4, 3] as Vec3,
  positive: 0.75,
  count: 4000,
  allowSmaller: false,
  imageThreshold: 0,
};
const starts = (options: object = {}, image?: Parameters<typeof patchStarts>[1], of = label) =>
  patchStarts(of, image, { ...settings, ...options }, [1, 2]).starts.map(String);
const share = (list: readonly string[], start: string) =>
  list.filter((one) => one === start).length / list.length;

test('patches lie around labelled voxels as often as asked for, each voxel as often, moved inside at the border', () => {
  const found = starts();
  // Around (10, 8, 5): the patch begins floor(size / 2) before. Standard deviation 0.0077.
  assert.ok(Math.abs(share(found, '8,6,4') - 0.375) < 0.03, `${share(found, '8,6,4')}`);
  assert.ok(share(found, '0,0,0') > 0.345, 'moved inside');
  for (const start of found) {
    start.split(',').forEach((value, axis) => {
      assert.ok(+value >= 0 && +value <= size[axis] - settings.spatialSize[axis]);
    });
  }
  assert.equal(new Set(found.map((start) => start.split(',')[0])).size, 16, 'every start along x');
});

test('other patches are centred only where the image is above the threshold', () => {
  const image = makeVolume({ data: new Float32Array(3200), size });
  image.data[at(15, 10, 7)] = 0.5;
  image.data[at(3, 3, 3)] = 0.2;
  assert.equal(new Set(starts({ positive: 0, imageThreshold: 0.3 }, image)), new Set(['13,8,6']));
  assert.equal(new Set(starts({ positive: 0 }, image)), new Set(['13,8,6', '1,1,2']));
});

test('where one kind is missing, all patches are of the other', () => {
  const empty = makeVolume({ data: new Uint8Array(3200), size, kind: 'label' });
  const image = makeVolume({ data: new Float32Array(3200), size });
  image.data[at(15, 10, 7)] = 1;
  assert.equal(new Set(starts({ positive: 1 }, image, empty)), new Set(['13,8,6']));
  image.data.fill(0);
  assert.equal(new Set(starts({ positive: 0 }, image)), new Set(['8,6,4', '0,0,0']));
  assert.throws(
    () => starts({}, image, empty),
    (error: Error) => error instanceof DataError && /found no voxel to centre a patch on/.test(error.message),
  );
});

test('of one-hot labels, the first channel is the background', () => {
  const data = new Uint8Array(6400).fill(1, 0, 3200);
  data[3200 + at(10, 8, 5)] = 1;
  const oneHot = makeVolume({ data, size, channels: 2, kind: 'label' });
  assert.equal(new Set(starts({ positive: 1 }, undefined, oneHot)), new Set(['8,6,4']));
});

test('a patch larger than the volume is refused, or takes the axis whole', () => {
  assert.throws(
    () => starts({ spatialSize: [5, 4, 30] }),
    (error: Error) =>
      error instanceof DataError &&
      /patches of 5 x 4 x 30 voxels, but the volume has 20 x 16 x 10/.test(error.message),
  );
  const plan = patchStarts(
    label,
    undefined,
    { ...settings, spatialSize: [5, -1, 30], allowSmaller: true },
    [1, 2],
  );
  assert.equal(plan.size, [5, 16, 10]);
  assert.ok(plan.starts.every(([, y, z]) => y === 0 && z === 0));
});

test('the same seed gives the same patches', () => {
  assert.equal(starts(), starts());
  assert.not.equal(starts(), patchStarts(label, undefined, settings, [1, 3]).starts.map(String));
});

const classSettings = {
  spatialSize: [5, 4, 3] as Vec3,
  count: 4000,
  allowSmaller: false,
  imageThreshold: 0,
};
const classStarts = (
  options: object = {},
  of = label,
  image?: Parameters<typeof classPatchStarts>[1],
): string[] => classPatchStarts(of, image, { ...classSettings, ...options }, [1, 2]).starts.map(String);

test('classPatchStarts chooses classes by their ratios, and none without voxels', () => {
  const found = classStarts({ ratios: [0, 1, 3] });
  // Standard deviation 0.007.
  assert.ok(Math.abs(share(found, '8,6,4') - 0.25) < 0.03, `${share(found, '8,6,4')}`);
  assert.ok(Math.abs(share(found, '0,0,0') - 0.75) < 0.03, `${share(found, '0,0,0')}`);
  assert.equal(new Set(classStarts({ ratios: [0, 1, 0, 5] })), new Set(['8,6,4']));
  const all = classStarts({ numClasses: 3 });
  assert.ok(Math.abs(share(all, '8,6,4') - 1 / 3) < 0.03, `${share(all, '8,6,4')}`);
});

test('classPatchStarts counts the channels of one-hot labels as classes, and asks for numClasses otherwise', () => {
  const data = new Uint8Array(6400);
  data[at(10, 8, 5)] = 1;
  data[3200 + at(0, 0, 0)] = 1;
  data[3200 + at(10, 8, 5)] = 1;
  const oneHot = makeVolume({ data, size, channels: 2, kind: 'label' });
  const found = classStarts({}, oneHot);
  assert.ok(Math.abs(share(found, '8,6,4') - 0.75) < 0.03, `${share(found, '8,6,4')}`);
  assert.throws(() => classStarts(), /needs numClasses/);
  assert.throws(() => classStarts({ ratios: [1, 2, 3] }, oneHot), /has 3 ratios for 2 classes/);
});

test('classPatchStarts centres patches only where the image is above the threshold', () => {
  const image = makeVolume({ data: new Float32Array(3200), size });
  image.data[at(0, 0, 0)] = 1;
  assert.equal(new Set(classStarts({ numClasses: 3 }, label, image)), new Set(['0,0,0']));
  image.data.fill(0);
  assert.throws(
    () => classStarts({ numClasses: 3 }, label, image),
    (error: Error) => error instanceof DataError && /no class with a ratio above 0/.test(error.message),
  );
  assert.throws(() => classStarts({ numClasses: 3, spatialSize: [21, 4, 3] }), /cuts patches of 21 x 4 x 3/);
});

test.run();
