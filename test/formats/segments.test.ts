import { gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume, stripImageExtension } from '#src/formats/index.js';
import { voxelTypeOf } from '#src/volume/volume.js';
import { fails, temporaryFolder } from './buildNifti.js';

const put = temporaryFolder();
const label = { kind: 'label' } as const;

/** A segmentation as 3D Slicer writes it, of 4 x 1 x 1 voxels; each layer has four values. */
function segmentation(layers: readonly (readonly number[])[], pairs: readonly string[]): Buffer {
  const several = layers.length > 1;
  const header = [
    'NRRD0004',
    '# Complete NRRD file format specification at:',
    'type: unsigned char',
    `dimension: ${several ? 4 : 3}`,
    'space: left-posterior-superior',
    `sizes: ${several ? `${layers.length} ` : ''}4 1 1`,
    `space directions: ${several ? 'none ' : ''}(1,0,0) (0,1,0) (0,0,1)`,
    `kinds: ${several ? 'list ' : ''}domain domain domain`,
    'encoding: gzip',
    'space origin: (0,0,0)',
    ...pairs,
    'Segmentation_MasterRepresentation:=Binary labelmap',
  ];
  // The layers of a voxel lie side by side.
  const voxels = [0, 1, 2, 3].flatMap((at) => layers.map((layer) => layer[at]));
  return Buffer.concat([Buffer.from(`${header.join('\n')}\n\n`), gzipSync(Uint8Array.from(voxels))]);
}

const pairsOf = (segments: readonly { name: string; layer?: number; value?: number }[]) =>
  segments.flatMap(({ name, layer, value }, i) => [
    `Segment${i}_ID:=Segment_${i + 1}`,
    `Segment${i}_Name:=${name}`,
    ...(layer === undefined ? [] : [`Segment${i}_Layer:=${layer}`]),
    ...(value === undefined ? [] : [`Segment${i}_LabelValue:=${value}`]),
  ]);

async function read(layers: readonly (readonly number[])[], pairs: readonly string[]) {
  const { data, channels, labelNames, notes } = await readVolume(
    put('ct_1.seg.nrrd', segmentation(layers, pairs)),
    label,
  );
  return { data: [...data], channels, labelNames, notes };
}

test('the id of a segmentation has no .seg', () => {
  assert.is(stripImageExtension('ct_1.seg.nrrd'), 'ct_1');
});

test('one layer is a label map with the names of its segments', async () => {
  const segments = [
    { name: 'spleen', layer: 0, value: 3 },
    { name: 'liver: left', layer: 0, value: 1 },
  ];
  assert.equal(await read([[0, 3, 1, 3]], pairsOf(segments)), {
    data: [0, 3, 1, 3],
    channels: 1,
    labelNames: { 1: 'liver: left', 3: 'spleen' },
    notes: [],
  });
});

test('layers without overlap become one label map, renumbered only if label values repeat', async () => {
  const layers = [
    [0, 2, 0, 5],
    [5, 0, 0, 0],
  ];
  const distinct = [
    { name: 'a', layer: 0, value: 2 },
    { name: 'b', layer: 1, value: 5 },
    { name: 'c', layer: 0, value: 300 },
  ];
  // Value 5 of layer 0 belongs to no segment.
  const kept = await read(layers, pairsOf(distinct));
  assert.equal(kept.data, [5, 2, 0, 0]);
  assert.match(kept.notes![0], /has voxels of value 5 in layer 0, which belong to no segment/);
  const repeated = [
    { name: 'a', layer: 0, value: 2 },
    { name: 'b', layer: 1, value: 5 },
    { name: 'c', layer: 0, value: 5 },
  ];
  const { data, channels, labelNames, notes } = await read(layers, pairsOf(repeated));
  assert.equal([data, channels, labelNames], [[2, 1, 0, 3], 1, { 1: 'a', 2: 'b', 3: 'c' }]);
  assert.match(notes![0], /segments of equal label values; they were numbered in order: 1 "a", 2 "b", 3 "c"/);
});

test('segments that overlap become masks behind the background', async () => {
  const layers = [
    [0, 1, 1, 0],
    [0, 0, 1, 0],
  ];
  const segments = [
    { name: 'tumor', layer: 0, value: 1 },
    { name: 'core', layer: 1, value: 1 },
  ];
  const masks = await read(layers, pairsOf(segments));
  assert.equal(masks.data, [1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0]);
  assert.equal([masks.channels, masks.labelNames], [3, { 1: 'tumor', 2: 'core' }]);
  assert.match(masks.notes![0], /segments that overlap; they became masks in channels: 1 "tumor", 2 "core"/);
  // Slicer before 4.11: a layer of ones for each segment.
  const old = await read(layers, pairsOf([{ name: 'tumor' }, { name: 'core' }]));
  assert.equal(old.data, masks.data);
});

test('a segment in a layer that is not there is refused', async () => {
  const pairs = pairsOf([{ name: 'a', layer: 2, value: 1 }]);
  await fails(read([[0, 0, 0, 1]], pairs), 'its segment "a" is in layer 2, but it has 1 layer(s)');
});

test('segments with the same name are kept apart, and gaps in their numbers are read over', async () => {
  const segments = [
    { name: ' lesion', layer: 0, value: 1 },
    { name: 'lesion ', layer: 0, value: 2 },
    { name: '', layer: 0, value: 3 },
  ];
  const same = await read([[0, 1, 2, 3]], pairsOf(segments));
  assert.equal(same.labelNames, { 1: 'lesion_1', 2: 'lesion_2', 3: '3' });
  assert.match(same.notes![0], /gives the labels 1 and 2 one name, "lesion"; they are kept apart/);
  // A segment that was removed by hand leaves a gap.
  const pairs = ['Segment0_ID:=A', 'Segment0_LabelValue:=1', 'Segment2_ID:=C', 'Segment2_LabelValue:=2'];
  assert.equal((await read([[0, 1, 2, 2]], [...pairs, 'Segment2_Layer:=0'])).labelNames, { 1: 'A', 2: 'C' });
});

test('a label value that is not a whole number above 0 is refused', async () => {
  for (const value of [0, -1, 1.5]) {
    const pairs = pairsOf([{ name: 'a', layer: 0, value }]);
    await fails(read([[0, 0, 0, 1]], pairs), `segment "a" whose label value is ${value}, but a whole number`);
  }
});

test('an image of such a file keeps its layers as channels', async () => {
  const file = put(
    'b.seg.nrrd',
    segmentation(
      [
        [0, 1, 1, 0],
        [0, 0, 1, 0],
      ],
      pairsOf([{ name: 'a' }, { name: 'b' }]),
    ),
  );
  const { data, channels } = await readVolume(file, { kind: 'image' });
  assert.equal([[...data], channels, voxelTypeOf(data)], [[0, 1, 1, 0, 0, 0, 1, 0], 2, 'uint8']);
});

test.run();
