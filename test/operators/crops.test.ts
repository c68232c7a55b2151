import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { centerCrop } from '#src/operators/centerCrop.js';
import { cropForeground } from '#src/operators/cropForeground.js';
import { spatialPad } from '#src/operators/spatialPad.js';
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
    () => spatialPad({ spatialSize, mode: 'edge' as never }),
    /^spatialPad: mode must be "constant", "reflect", "replicate" or "circular", but it is "edge"/,
  );
});

test.run();
