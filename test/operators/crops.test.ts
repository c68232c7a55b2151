import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { borderPad } from '#src/operators/borderPad.js';
import { centerCrop } from '#src/operators/centerCrop.js';
import { concatItems } from '#src/operators/concatItems.js';
import { copyItems } from '#src/operators/copyItems.js';
import { cropForeground } from '#src/operators/cropForeground.js';
import { divisiblePad } from '#src/operators/divisiblePad.js';
import { invert } from '#src/operators/invert.js';
import { resize } from '#src/operators/resize.js';
import { resizeWithPadOrCrop } from '#src/operators/resizeWithPadOrCrop.js';
import { selectChannels } from '#src/operators/selectChannels.js';
import { spatialCrop } from '#src/operators/spatialCrop.js';
import { spatialPad } from '#src/operators/spatialPad.js';
import { zoom } from '#src/operators/zoom.js';
import { makeVolume } from '#src/volume/volume.js';
import { refused, through } from '../shared.js';

/** A line of voxels 0, 0, 3, 4, 0, 0 in steps of 2 mm, and its label. */
const affine = [2, 0, 0, 10, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const image = makeVolume({ data: Int16Array.of(0, 0, 3, 4, 0, 0), size: [6, 1, 1], affine });
const label = makeVolume({ data: Uint8Array.of(0, 1, 1, 1, 0, 0), size: [6, 1, 1], affine, kind: 'label' });
const subject = makeCase({ id: 'a', volumes: { image, label } });
const values = (volume: { data: ArrayLike<number> }) => Array.from(volume.data);

test('cropForeground crops image and label to the box of the image', async () => {
  const { volumes, timings } = await through(cropForeground(), subject);
  assert.equal(
    [values(volumes.image), values(volumes.label)],
    [
      [3, 4],
      [1, 1],
    ],
  );
  assert.is(volumes.image.affine[3], 14, 'two voxels of 2 mm further on');
  assert.ok(timings.cropForeground > 0);
});

test('cropForeground supports another source, a margin, padding beyond the border, and a multiple', async () => {
  const cut = async (...args: Parameters<typeof cropForeground>) =>
    values((await through(cropForeground(...args), subject)).volumes.image);
  assert.equal(await cut({ sourceKey: 'label' }), [0, 3, 4]);
  assert.equal(await cut({ margin: 1 }), [0, 3, 4, 0]);
  assert.equal(await cut({ margin: [3, 0, 0] }), [0, 0, 3, 4, 0, 0]);
  assert.equal(await cut({ margin: [3, 0, 0], allowSmaller: false }), [0, 0, 0, 3, 4, 0, 0, 0]);
  assert.equal(await cut({ kDivisible: [4, 1, 1] }), [0, 3, 4, 0]);
  assert.equal(await cut({ keys: 'label' }), [0, 0, 3, 4, 0, 0]);
});

test('cropForeground fails a case without foreground, and rejects options out of range', async () => {
  const dark = makeCase({
    id: 'b',
    volumes: { image: makeVolume({ data: new Int16Array(2), size: [2, 1, 1] }) },
  });
  const error = await through(cropForeground(), dark).catch((fault) => fault);
  assert.instance(error, DataError);
  assert.match(error.message, /cropForeground found no voxel above zero/);
  const kept = await through(cropForeground({ ifEmpty: 'keep', margin: 3, kDivisible: 5 }), dark);
  assert.is(kept.volumes.image, dark.volumes.image, 'the whole volume, not a copy');
  assert.equal(kept.notes, ['cropForeground: no voxel of image is above 0, so the whole volume was kept.']);
  refused(() => cropForeground({ margin: -1 }), /^cropForeground: margin must be /);
  refused(() => cropForeground({ kDivisible: 0 }), /^cropForeground: kDivisible must be /);
});

test('centerCrop keeps the middle, with one size for all axes or one per axis', async () => {
  const cut = await through(centerCrop({ roiSize: [2, -1, 5] }), subject);
  assert.equal(
    [values(cut.volumes.image), values(cut.volumes.label)],
    [
      [3, 4],
      [1, 1],
    ],
  );
  assert.is(cut.volumes.image.affine[3], 14);
  assert.ok(cut.timings.centerCrop > 0);
  assert.equal(values((await through(centerCrop({ roiSize: 4 }), subject)).volumes.image), [0, 3, 4, 0]);
  refused(() => centerCrop({ roiSize: 1.5 }), /^centerCrop: roiSize must be /);
});

test('spatialPad pads to a size, on both sides or at the end, and leaves longer axes unchanged', async () => {
  const pad = async (...args: Parameters<typeof spatialPad>) =>
    values((await through(spatialPad(...args), subject)).volumes.image);
  const spatialSize = [9, -1, 1] as const;
  assert.equal(await pad({ spatialSize, value: 7 }), [7, 0, 0, 3, 4, 0, 0, 7, 7]);
  assert.equal(await pad({ spatialSize, method: 'end', value: 7 }), [0, 0, 3, 4, 0, 0, 7, 7, 7]);
  assert.equal(await pad({ spatialSize, mode: 'circular' }), [0, 0, 0, 3, 4, 0, 0, 0, 0]);
  assert.equal(await pad({ spatialSize: [3, 1, 1] }), values(image));
  const { volumes, timings } = await through(spatialPad({ spatialSize }), subject);
  assert.is(volumes.label.affine[3], 8, 'the first voxel lies 2 mm before the old one');
  assert.ok(timings.spatialPad > 0);
  refused(
    () => spatialPad({ spatialSize, mode: 'mirror' as never }),
    /^spatialPad: mode must be "constant", .* or "symmetric", but it is "mirror"/,
  );
});

const line = (...numbers: number[]) =>
  makeCase({
    id: 'line',
    volumes: {
      image: makeVolume({ data: Float32Array.from(numbers), size: [numbers.length, 1, 1], affine }),
    },
  });
const lineAfter = async (operator: Parameters<typeof through>[0], ...numbers: number[]) => {
  const { image } = (await through(operator, line(...numbers))).volumes;
  return [values(image), image.affine[3]];
};

test('spatialCrop keeps the part of the box that is in the volume, and refuses a box outside', async () => {
  const cut = (options: Parameters<typeof spatialCrop>[0]) => lineAfter(spatialCrop(options), 1, 2, 3, 4, 5);
  assert.equal(await cut({ roiStart: [1, 0, 0], roiEnd: [3, 1, 1] }), [[2, 3], 12]);
  assert.equal(await cut({ roiStart: [-4, 0, 0], roiEnd: [2, 9, 9] }), [[1, 2], 10]);
  // Around voxel 3, 4 voxels begin at 1. Around voxel 0 they are moved inside.
  assert.equal(await cut({ roiCenter: [3, 0, 0], roiSize: [4, 1, 1] }), [[2, 3, 4, 5], 12]);
  assert.equal(await cut({ roiCenter: [0, 0, 0], roiSize: [3, 1, 1] }), [[1, 2, 3], 10]);
  const error = await cut({ roiStart: [5, 0, 0], roiEnd: [9, 1, 1] }).catch((fault) => fault);
  assert.instance(error, DataError);
  assert.match(
    error.message,
    /no part of the box from \[5, 0, 0\] to \[9, 1, 1\] is in image, which has 5 x 1 x 1/,
  );
  refused(() => spatialCrop({ roiStart: [0, 0, 0] }), /either roiStart and roiEnd or roiCenter and roiSize/);
});

test('resizeWithPadOrCrop crops and pads around the middle, each axis by itself', async () => {
  const sized = (options: Parameters<typeof resizeWithPadOrCrop>[0]) =>
    lineAfter(resizeWithPadOrCrop(options), 1, 2, 3, 4, 5);
  assert.equal(await sized({ spatialSize: [8, 1, -1], value: 9 }), [[9, 1, 2, 3, 4, 5, 9, 9], 8]);
  assert.equal(await sized({ spatialSize: [8, 1, 1], method: 'end' }), [[1, 2, 3, 4, 5, 0, 0, 0], 10]);
  assert.equal(await sized({ spatialSize: [2, 1, 1] }), [[2, 3], 12]);
  assert.equal(await sized({ spatialSize: [7, 1, 1], mode: 'symmetric' }), [[1, 1, 2, 3, 4, 5, 5], 8]);
  assert.equal(await sized({ spatialSize: [7, 1, 1], mode: 'wrap' }), [[5, 1, 2, 3, 4, 5, 1], 8]);
});

test('divisiblePad and borderPad add voxels, and invert removes them', async () => {
  assert.equal(await lineAfter(divisiblePad({ k: [4, -1, 1] }), 1, 2, 3, 4, 5), [
    [0, 1, 2, 3, 4, 5, 0, 0],
    8,
  ]);
  assert.equal(await lineAfter(divisiblePad({ k: [5, 1, 1] }), 1, 2, 3, 4, 5), [[1, 2, 3, 4, 5], 10]);
  const border = [1, 2, 0, 0, 0, 0] as const;
  assert.equal(await lineAfter(borderPad({ spatialBorder: border, mode: 'edge' }), 1, 2), [
    [1, 1, 2, 2, 2],
    8,
  ]);
  const all = await through(borderPad({ spatialBorder: 1 }), line(1, 2));
  assert.equal(all.volumes.image.size, [4, 3, 3]);
  const back = await through(invert({ keys: 'image' }), all);
  assert.equal([values(back.volumes.image), back.volumes.image.affine], [[1, 2], affine]);
});

test('concatItems joins volumes on one grid, and selectChannels picks channels', async () => {
  const joined = await through(concatItems({ keys: ['image', 'label'], name: 'both' }), subject);
  const { both } = joined.volumes;
  assert.equal([values(both), both.channels, both.kind], [[0, 0, 3, 4, 0, 0, 0, 1, 1, 1, 0, 0], 2, 'image']);
  const picked = await through(selectChannels({ keys: 'both', channels: [1, 0, 1] }), joined);
  assert.equal(values(picked.volumes.both).slice(0, 6), [0, 1, 1, 1, 0, 0]);
  assert.is(picked.volumes.both.channels, 3);
  const error = await through(selectChannels({ keys: 'both', channels: 2 }), joined).catch((fault) => fault);
  assert.match(error.message, /both has 2 channel\(s\), counted from 0, so there is no channel 2/);
  const moved = { ...image, affine: [2, 0, 0, 11, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] };
  const odd = makeCase({ id: 'c', volumes: { image, moved } });
  const fault = await through(concatItems({ keys: ['image', 'moved'] }), odd).catch((thrown) => thrown);
  assert.instance(fault, DataError);
  assert.match(fault.message, /moved and image .*different grids/);
});

test('copyItems adds keys without copying voxels', async () => {
  const copied = (await through(copyItems({ keys: ['image', 'label'], names: ['a', 'b'] }), subject)).volumes;
  assert.is(copied.a, image);
  assert.is(copied.b, label);
  assert.is(copied.image, image);
  const fault = await through(copyItems({ keys: 'pred', names: 'a' }), subject).catch((error) => error);
  assert.match(fault.message, /no volume "pred"/);
  refused(
    () => copyItems({ keys: ['image', 'label'], names: 'a' }),
    /one name for each of the 2 keys, but it has 1/,
  );
});

test('zoom refuses to leave no voxel, and resize a longest axis without one size', async () => {
  const error = await through(zoom({ zoom: 0.5 }), line(1, 2, 3)).catch((fault) => fault);
  assert.match(error.message, /image has 3 x 1 x 1 voxels. Zoomed by \[0.5, 0.5, 0.5\]/);
  refused(
    () => resize({ spatialSize: [4, 4, 2], sizeMode: 'longest' }),
    /spatialSize must be one positive number/,
  );
  refused(() => resize({ spatialSize: 4, antiAliasingSigma: 1 }), /only with antiAliasing: true/);
});

test.run();
