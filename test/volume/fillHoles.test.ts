import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Connectivity } from '#src/volume/components.js';
import { fillHoles } from '#src/volume/fillHoles.js';
import { makeVolume, type Vec3 } from '#src/volume/volume.js';

/** Fills a label map of slices that are written one after the other, with rows parted by blanks. */
function filled(text: string, size: Vec3, labels?: readonly number[], connectivity: Connectivity = 3) {
  const data = Uint8Array.from(text.replaceAll(/\s/g, ''), Number);
  const volume = makeVolume({
    data,
    size,
    kind: 'label',
    channels: data.length / (size[0] * size[1] * size[2]),
  });
  return fillHoles(volume, labels, connectivity).data.join('');
}

const shell = '111 111 111';
const full = (middle: string) => `${shell} 111 1${middle}1 111 ${shell}`.replaceAll(' ', '');

test('fillHoles fills what a label encloses in three dimensions', () => {
  assert.is(filled(full('0'), [3, 3, 3]), full('1'));
  assert.is(filled(full('0'), [3, 3, 3], [2]), full('0'));
  assert.is(filled('111 101 111', [3, 3, 1]), '111101111');
});

test('fillHoles overwrites other labels that are enclosed', () => {
  assert.is(filled(full('2'), [3, 3, 3]), full('1'));
});

test('fillHoles leaves open what reaches the border, over corners unless connectivity says faces', () => {
  const leaking = full('0').replace('1', '0');
  assert.is(filled(leaking, [3, 3, 3]), leaking);
  assert.is(filled(leaking, [3, 3, 3], undefined, 1), full('1').replace('1', '0'));
});

test('fillHoles fills the masks of channels but the first', () => {
  const both = filled(full('0') + full('0'), [3, 3, 3]);
  assert.is(both, full('0') + full('1'));
});

test.run();
