import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  allocate,
  allocateLike,
  makeVolume,
  voxelCount,
  voxelTypeOf,
  voxelTypes,
} from '#src/volume/volume.js';

test('every voxel type is allocated zeroed and shared, and known by name', () => {
  for (const type of Object.keys(voxelTypes) as (keyof typeof voxelTypes)[]) {
    const data = allocate(type, 3);
    assert.equal(Array.from(data), [0, 0, 0]);
    assert.instance(data.buffer, SharedArrayBuffer);
    assert.is(voxelTypeOf(data), type);
    assert.is(voxelTypeOf(allocateLike(data, 2)), type);
  }
  assert.throws(() => voxelTypeOf(new BigInt64Array(1) as never), 'is not a voxel array');
});

test('a volume is an image of 1 mm voxels by default', () => {
  const volume = makeVolume({ data: new Uint8Array(6), size: [3, 2, 1] });
  assert.is(voxelCount(volume.size), 6);
  assert.equal([volume.channels, volume.kind, volume.history], [1, 'image', []]);
  assert.equal(volume.affine, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
});

test('a volume whose data does not fit its size is refused', () => {
  assert.throws(
    () => makeVolume({ data: new Uint8Array(6), size: [3, 2, 1], channels: 2 }),
    'A volume of 3 x 2 x 1 voxels and 2 channel(s) needs 12 values, but its data holds 6.',
  );
});

test.run();
