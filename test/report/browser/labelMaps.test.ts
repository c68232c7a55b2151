import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { colourTable } from '#src/report/browser/viewer/colourTable.js';
import { bordersOf, centreOf } from '#src/report/browser/viewer/labelMaps.js';
import type { MaskName } from '#src/report/caseNote.js';

/**
 * A block of label 1 of 3 x 3 x 3 voxels in the middle of 5 x 5 x 5, with label 2 in its centre if asked for.
 */
function cube(centre: number) {
  const labels = new Uint8Array(125);
  for (let i = 0; i < 125; i++) {
    const [x, y, z] = [i % 5, Math.floor(i / 5) % 5, Math.floor(i / 25)];
    if ([x, y, z].every((at) => at >= 1 && at <= 3)) labels[i] = 1;
  }
  labels[62] = centre;
  return labels;
}

const count = (labels: Uint8Array, value: number) => labels.filter((label) => label === value).length;

test('the borders of a block are its voxels that touch something else', () => {
  const borders = bordersOf(cube(1), [5, 5, 5]);
  assert.is(count(borders, 1), 26);
  assert.is(borders[62], 0);
});

test('a label inside another one has a border, too', () => {
  assert.is(count(bordersOf(cube(2), [5, 5, 5]), 2), 1);
});

test('the border of the volume is not a border of a label', () => {
  assert.is(count(bordersOf(new Uint8Array(8).fill(1), [2, 2, 2]), 1), 0);
});

test('the centre is the mean position of a label, or of all', () => {
  assert.equal(centreOf(cube(2), [5, 5, 5]), [2, 2, 2]);
  assert.equal(centreOf(Uint8Array.of(1, 0, 0, 0, 0, 2), [6, 1, 1], 2), [5, 0, 0]);
  assert.is(centreOf(cube(1), [5, 5, 5], 3), undefined);
});

const label = (value: number) => ({ value, name: `${value}`, prediction: 1, reference: 1 });
const mask = (name: MaskName, colour: string) => ({ name, title: name, colour, url: '' });
const data = { id: 'a', image: null, window: null, previous: null, next: null };
const labels = [label(1), label(4)];

test('one mask has a colour per label; of two masks each has its colour', () => {
  const one = colourTable({ ...data, labels, masks: [mask('prediction', '#010203')] }, '#010203', undefined);
  assert.equal(
    [one.I, one.R, one.A],
    [
      [0, 1, 4],
      [0, 0xe6, 0x56],
      [0, 255, 255],
    ],
  );
  const masks = [mask('prediction', '#010203'), mask('reference', '#040506')];
  const two = colourTable({ ...data, labels, masks }, '#040506', 4);
  assert.equal(
    [two.R, two.G, two.B, two.A],
    [
      [0, 4, 4],
      [0, 5, 5],
      [0, 6, 6],
      [0, 0, 255],
    ],
  );
});

test('masks in channels have a colour for each combination: that of the last channel, or of the one shown', () => {
  const channels = { ...data, labels: [label(0), label(1)], masks: [mask('prediction', '#010203')] } as const;
  const all = colourTable({ ...channels, channels: true }, '#010203', undefined);
  assert.equal(
    [all.I, all.R, all.A],
    [
      [0, 1, 2, 3],
      [0, 0xe6, 0x56, 0x56],
      [0, 255, 255, 255],
    ],
  );
  const first = colourTable({ ...channels, channels: true }, '#010203', 0);
  assert.equal(
    [first.R, first.A],
    [
      [0, 0xe6, 0x56, 0xe6],
      [0, 255, 0, 255],
    ],
  );
  assert.equal(centreOf(Uint8Array.of(2, 0, 3, 0, 0, 1), [6, 1, 1], 1, true), [1, 0, 0]);
});

test.run();
