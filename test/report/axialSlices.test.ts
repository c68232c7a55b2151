import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseAxial, chooseIndices } from '#src/report/axialSlices.js';
import { layersOf } from '#src/report/maskLayers.js';
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

test('none are chosen if none are wanted', () => {
  assert.is(chooseAxial(column([1, 1, 1, 1, 1], 1), [], [0, 0, 2], 0), undefined);
});

test.run();
