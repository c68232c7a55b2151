import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mapLabels } from '#src/volume/mapLabels.js';
import { makeVolume, type VoxelArray, voxelTypeOf } from '#src/volume/volume.js';

const volume = (data: VoxelArray, labelNames?: Record<number, string>) =>
  makeVolume({ data, size: [data.length, 1, 1], kind: 'label', labelNames });

test('mapLabels replaces all labels at once and leaves the others', () => {
  const { data } = mapLabels(volume(Uint8Array.of(0, 1, 1, 2, 3)), { 1: 2, 2: 1 });
  assert.equal([...data], [0, 2, 2, 1, 3]);
});

test('mapLabels keeps the voxel type or takes the smallest that holds everything', () => {
  const typeFor = (data: VoxelArray, to: number) => voxelTypeOf(mapLabels(volume(data), { 1: to }).data);
  assert.is(typeFor(Int16Array.of(1), 9), 'int16');
  assert.is(typeFor(Uint8Array.of(1), 300), 'uint16');
  assert.is(typeFor(Uint8Array.of(1), -1), 'int16');
  assert.is(typeFor(Int8Array.of(1), 200), 'int16');
  assert.equal([...mapLabels(volume(Uint8Array.of(1, 255)), { 1: 300 }).data], [300, 255]);
});

test('mapLabels moves names along, and drops those of labels that were merged', () => {
  const named = volume(Uint8Array.of(1), { 1: 'left kidney', 2: 'right kidney', 3: 'spleen' });
  assert.equal(mapLabels(named, { 3: 7 }).labelNames, { 1: 'left kidney', 2: 'right kidney', 7: 'spleen' });
  assert.equal(mapLabels(named, { 2: 1 }).labelNames, { 3: 'spleen' });
});

test.run();
