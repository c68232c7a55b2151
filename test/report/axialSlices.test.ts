import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseAxial, chooseIndices } from '#src/report/axialSlices.js';
import { contoursOf, layerErrors, layersOf } from '#src/report/maskLayers.js';
import { planeThrough } from '#src/volume/slices.js';
import { makeVolume } from '#src/volume/volume.js';

const errors = new Map([
  [1, [0, 0, 9, 0, 0, 0, 0, 0, 0, 0]],
  [2, [0, 0, 0, 0, 0, 0, 0, 3, 0, 0]],
  [3, [0, 0, 0, 0, 0, 5, 0, 0, 0, 0]],
]);

test('the middle slice and those with the largest errors are kept, larger errors first', () => {
  assert.equal(chooseIndices(errors, [0, 9], 4, 1), [4]);
  assert.equal(chooseIndices(errors, [0, 9], 4, 3), [2, 4, 5]);
  assert.equal(chooseIndices(errors, [0, 9], 4, 4), [2, 4, 5, 7]);
});

test('slices at equal distances fill up the rest', () => {
  assert.equal(chooseIndices(new Map(), [0, 8], 4, 5), [1, 3, 4, 5, 7]);
  assert.equal(chooseIndices(new Map(), [3, 3], 3, 5), [3]);
});

/** A column of five voxels along z, which runs to the feet or to the head. */
const column = (labels: readonly number[], sign: 1 | -1) =>
  makeVolume({
    data: Uint8Array.from(labels),
    size: [1, 1, 5],
    affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, sign, 0, 0, 0, 0, 1],
    kind: 'label',
  });

test('slices are numbered from the feet, and each label has its worst one', () => {
  for (const sign of [1, -1] as const) {
    const turned = (labels: readonly number[]) => (sign > 0 ? labels : labels.toReversed());
    const masks = [
      [0, 1, 1, 0, 2],
      [0, 1, 1, 1, 3],
    ].map((labels) => layersOf(column(turned(labels), sign)));
    const { slices, worst } = chooseAxial(column([0, 0, 0, 0, 0], sign), masks, [0, 0, 2], 3)!;
    assert.equal(slices, { of: 5, numbers: [3, 4, 5], middle: 0, worst: 2 });
    assert.equal(Object.fromEntries(worst), { 1: 1, 2: 2, 3: 2 });
  }
});

test('channels of a mask are separate labels, counted from 0', () => {
  // Two channels of 2 x 2 x 1 voxels; both have the first voxel.
  const mask = makeVolume({
    ...{ data: Uint8Array.of(1, 0, 0, 0, /**/ 7, 7, 0, 0), size: [2, 2, 1], channels: 2, kind: 'label' },
    affine: [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
  });
  const layers = layersOf(mask);
  const { paths } = contoursOf(layers, [planeThrough(mask, 'axial', [0, 0, 0])]);
  assert.equal(Object.fromEntries(paths), { 0: 'M0 0h1v1h-1z', 1: 'M0 0h2v1h-2z' });
  assert.equal(
    [...layerErrors(layers, undefined, 2)].map(([label, counts]) => [label, ...counts]),
    [
      [0, 1],
      [1, 2],
    ],
  );
});

test('none are chosen if none are wanted', () => {
  assert.is(chooseAxial(column([1, 1, 1, 1, 1], 1), [], [0, 0, 2], 0), undefined);
});

test.run();
