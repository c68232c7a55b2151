import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { spacing } from '#src/operators/spacing.js';
import { spacingOf } from '#src/volume/affine.js';
import { makeVolume, voxelTypeOf } from '#src/volume/volume.js';
import { refused, through } from '../shared.js';

const affine = [2, 0, 0, 7, 0, 1, 0, 8, 0, 0, 1, 9, 0, 0, 0, 1];
const image = makeVolume({ data: Int16Array.of(0, 10, 40), size: [3, 1, 1], affine });
const label = makeVolume({ data: Uint8Array.of(0, 1, 2), size: [3, 1, 1], affine, kind: 'label' });
const subject = makeCase({ id: 'a', volumes: { image, label } });
const pixdim = [1, 1, 1] as const;
const values = (volume: { data: ArrayLike<number> }) => Array.from(volume.data);

test('spacing interpolates images and uses the nearest voxel for labels', async () => {
  const { volumes, timings } = await through(spacing({ pixdim }), subject);
  assert.equal(values(volumes.image), [0, 5, 10, 25, 40]);
  assert.is(voxelTypeOf(volumes.image.data), 'float32');
  assert.ok(values(volumes.label).every((value) => [0, 1, 2].includes(value)));
  assert.is(voxelTypeOf(volumes.label.data), 'uint8');
  for (const volume of [volumes.image, volumes.label]) {
    assert.equal(spacingOf(volume.affine), [1, 1, 1]);
    assert.equal([volume.affine[3], volume.affine[7], volume.affine[11]], [7, 8, 9], 'the first voxel stays');
  }
  assert.ok(timings.spacing > 0);
});

test('mode may be one value for all, or a map by key that leaves other keys at their default', async () => {
  const all = await through(spacing({ pixdim, mode: 'bilinear' }), subject);
  assert.equal(values(all.volumes.label), [0, 0.5, 1, 1.5, 2]);
  const some = await through(spacing({ pixdim, mode: { image: 'nearest' } }), subject);
  assert.is(voxelTypeOf(some.volumes.image.data), 'int16');
  assert.is(voxelTypeOf(some.volumes.label.data), 'uint8');
});

test('scaleExtent aligns outer faces, and paddingMode sets the values beyond the outer voxels', async () => {
  const outer = async (paddingMode: 'border' | 'zeros') => {
    const step = spacing({ pixdim, scaleExtent: true, paddingMode, keys: 'image' });
    return values((await through(step, subject)).volumes.image);
  };
  // New centres at -0.25, 0.25, 0.75, … old voxels: beyond the border a quarter of the weight is outside.
  assert.equal(await outer('border'), [0, 2.5, 7.5, 17.5, 32.5, 40]);
  assert.equal(await outer('zeros'), [0, 2.5, 7.5, 17.5, 32.5, 30]);
});

test('diagonal removes a rotation', async () => {
  const turned = { ...image, affine: [0, -1, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] };
  const result = await through(
    spacing({ pixdim: [1, 2, 1], diagonal: true }),
    makeCase({ id: 'a', volumes: { image: turned } }),
  );
  assert.equal(result.volumes.image.size, [1, 3, 1]);
  assert.equal(values(result.volumes.image), [0, 10, 40]);
});

test('minPixdim and maxPixdim keep voxel sizes between them', async () => {
  const step = spacing({ pixdim: [3, 3, 3], minPixdim: [0.5, 2, 2], maxPixdim: [3, 3, 3], keys: 'image' });
  const { volumes } = await through(step, subject);
  assert.equal(spacingOf(volumes.image.affine), [2, 3, 3]);
});

test('spacing rejects voxel sizes that are not positive, and unknown modes', () => {
  refused(
    () => spacing({ pixdim: [1.5, 0, 2] }),
    'spacing: pixdim.1 must be more than 0, but it is 0 (Voxel size per axis: three positive numbers in mm).',
  );
  refused(() => spacing({ pixdim: [1.5, 2] as never }), /^spacing: pixdim must be /);
  refused(
    () => spacing({ pixdim, paddingMode: 'reflection' as never }),
    /^spacing: paddingMode must be "border" or "zeros"/,
  );
  refused(
    () => spacing({ pixdim, mode: 'cubic' as never }),
    /^spacing: mode must be "bilinear" or "nearest", or/,
  );
});

test.run();
