import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { identityAffine } from '#src/volume/affine.js';
import { keepLargestComponent, removeSmallObjects } from '#src/volume/islands.js';
import { makeVolume, type Volume } from '#src/volume/volume.js';

const keep = { independent: true, connectivity: 3, numComponents: 1 } as const;

// The example in the documentation of MONAI's KeepLargestConnectedComponent, 5 x 5.
const example = ['00100', '02111', '12110', '12010', '22002'];

function labelMap(rows: readonly string[], channels = 1): Volume {
  const data = Uint8Array.from(rows.join(''), Number);
  const size = [rows[0].length, rows.length / channels, 1] as const;
  return makeVolume({ data, size, channels, kind: 'label' });
}

const rowsOf = ({ data, size }: Volume) =>
  Array.from({ length: data.length / size[0] }, (_, y) =>
    data.subarray(y * size[0], (y + 1) * size[0]).join(''),
  );

test('keepLargestComponent keeps the largest of each label', () => {
  const volume = labelMap(example);
  assert.equal(rowsOf(keepLargestComponent(volume, { ...keep, appliedLabels: [1], connectivity: 1 })), [
    '00100',
    '02111',
    '02110',
    '02010',
    '22002',
  ]);
  assert.equal(rowsOf(keepLargestComponent(volume, { ...keep, connectivity: 1 })), [
    '00100',
    '02111',
    '02110',
    '02010',
    '22000',
  ]);
  assert.equal(rowsOf(volume), example);
});

test('keepLargestComponent keeps the largest of the union of labels', () => {
  const together = { ...keep, independent: false, appliedLabels: [1, 2] };
  const volume = labelMap(['1102', '0002', '0102', '3000']);
  assert.equal(rowsOf(keepLargestComponent(volume, { ...together, connectivity: 1 })), [
    '0002',
    '0002',
    '0002',
    '3000',
  ]);
});

test('keepLargestComponent keeps several components, and of equal ones those that begin last', () => {
  const volume = labelMap(['110011010']);
  const row = (numComponents: number) => rowsOf(keepLargestComponent(volume, { ...keep, numComponents }))[0];
  assert.is(row(1), '000011000');
  assert.is(row(2), '110011000');
  assert.is(row(3), '110011010');
  assert.is(row(9), '110011010');
});

test('keepLargestComponent takes channels as masks, and leaves the first alone unless it is named', () => {
  const masks = labelMap(['1011', '1101', '0100'], 3);
  assert.equal(rowsOf(keepLargestComponent(masks, keep)), ['1011', '1100', '0100']);
  assert.equal(rowsOf(keepLargestComponent(masks, { ...keep, appliedLabels: [0] })), [
    '0011',
    '1101',
    '0100',
  ]);
  const together = { ...keep, independent: false, appliedLabels: [1, 2] };
  assert.equal(rowsOf(keepLargestComponent(masks, together)), ['1011', '1100', '0100']);
});

test('keepLargestComponent leaves a volume without labels as it is', () => {
  assert.equal(rowsOf(keepLargestComponent(labelMap(['0000']), keep)), ['0000']);
});

const small = { minSize: 3, connectivity: 1, independentChannels: true, byMeasure: false } as const;

test('removeSmallObjects measures mm³ by the volume of a voxel, sheared ones too', () => {
  // Three voxels of 1 x 1 x 2 mm whose z axis is tilted by 60 degrees: 1 mm³ each.
  const affine = [1, 0, 0, 0, 0, 1, 2 * Math.sin(Math.PI / 3), 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const volume = { ...labelMap(['1110']), affine };
  const byVolume = { ...small, byMeasure: true };
  assert.equal(rowsOf(removeSmallObjects(volume, { ...byVolume, minSize: 2.9 })), ['1110']);
  assert.equal(rowsOf(removeSmallObjects(volume, { ...byVolume, minSize: 3.1 })), ['0000']);
});

test('removeSmallObjects removes small components of a mask', () => {
  const volume = labelMap(['1100', '0011', '1001']);
  assert.equal(rowsOf(removeSmallObjects(volume, small)), ['0000', '0011', '0001']);
  assert.equal(rowsOf(removeSmallObjects(volume, { ...small, connectivity: 2 })), ['1100', '0011', '0001']);
  assert.equal(rowsOf(removeSmallObjects(volume, { ...small, minSize: 0 })), rowsOf(volume));
});

test('removeSmallObjects counts mm³ with byMeasure, rounded up to voxels', () => {
  const affine = identityAffine.map((value, i) => (i === 0 ? 2 : value));
  const volume = { ...labelMap(['1100', '0011', '1001']), affine };
  assert.equal(rowsOf(removeSmallObjects(volume, { ...small, minSize: 5, byMeasure: true })), [
    '0000',
    '0011',
    '0001',
  ]);
});

test('removeSmallObjects takes a map of several labels as numbered objects, or their union', () => {
  const volume = labelMap(['1022', '1002', '0000', '0011']);
  assert.equal(rowsOf(removeSmallObjects(volume, { ...small, minSize: 4 })), [
    '1000',
    '1000',
    '0000',
    '0011',
  ]);
  const union = { ...small, independentChannels: false };
  assert.equal(rowsOf(removeSmallObjects(volume, union)), ['0022', '0002', '0000', '0000']);
});

test('removeSmallObjects keeps channels apart, or takes their union', () => {
  const masks = labelMap(['1110', '0001', '0011', '0100'], 2);
  assert.equal(rowsOf(removeSmallObjects(masks, small)), ['1110', '0000', '0000', '0000']);
  const union = { ...small, independentChannels: false, minSize: 6 };
  assert.equal(rowsOf(removeSmallObjects(masks, union)), ['1110', '0001', '0011', '0100']);
});

test('with keepTies, components that are as large as the smallest kept one stay', () => {
  const volume = makeVolume({ data: Uint8Array.of(1, 1, 0, 2, 2, 0, 1), size: [7, 1, 1], kind: 'label' });
  const union = { ...keep, independent: false, appliedLabels: [1, 2] };
  assert.equal(
    keepLargestComponent(volume, { ...union, keepTies: true }).data,
    Uint8Array.of(1, 1, 0, 2, 2, 0, 0),
  );
  assert.equal(keepLargestComponent(volume, union).data, Uint8Array.of(0, 0, 0, 2, 2, 0, 0));
});

test.run();
