import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clearOutside, dilate_, eroded, skinOf } from '#src/volume/morphology.js';
import { makeVolume } from '#src/volume/volume.js';
import { fixtures } from '../e2e/harness.js';

// Made with scipy by test/fixtures/totalseg/make_scipy.py.
const golden = JSON.parse(readFileSync(join(fixtures, 'totalseg/scipy.json'), 'utf8'));

test('masks grow and shrink as with scipy', () => {
  const { size, mask, dilated1, dilated2, eroded1, eroded2 } = golden.mask;
  for (const [times, expected] of [
    [0, mask],
    [1, dilated1],
    [2, dilated2],
  ] as const) {
    const grown = Uint8Array.from(mask);
    dilate_(grown, size, times);
    assert.equal(Array.from(grown), expected, `dilated ${times} times`);
  }
  const solid = Uint8Array.from(dilated2);
  assert.equal(Array.from(eroded(solid, size, 0)), dilated2);
  assert.equal(Array.from(eroded(solid, size, 1)), eroded1);
  assert.equal(Array.from(eroded(solid, size, 2)), eroded2);
});

test('skin is the outer voxels of a body in which the image has its density', () => {
  const { size, body, image, skin } = golden.skin;
  assert.ok(skin.includes(1) && skin.includes(0));
  const made = skinOf(
    makeVolume({ size, data: Uint8Array.from(body), kind: 'label' }),
    makeVolume({ size, data: Int16Array.from(image) }),
  );
  assert.equal(Array.from(made.data), skin);
  assert.equal(made.labelNames, { 1: 'skin' });
});

test('clearOutside keeps labels in and near a mask', () => {
  const labels = makeVolume({ size: [6, 1, 1], data: Uint8Array.of(4, 5, 6, 7, 8, 9), kind: 'label' });
  const mask = makeVolume({ size: [6, 1, 1], data: Uint8Array.of(0, 0, 2, 0, 0, 0) });
  assert.equal(Array.from(clearOutside(labels, mask, 0).data), [0, 0, 6, 0, 0, 0]);
  assert.equal(Array.from(clearOutside(labels, mask, 2).data), [4, 5, 6, 7, 8, 0]);
});

test.run();
