import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cropOrPad } from '#src/volume/crop.js';
import { invertHistory } from '#src/volume/invert.js';
import { parseAxcodes } from '#src/volume/orientation.js';
import { reorient } from '#src/volume/reorient.js';
import { respace } from '#src/volume/resample.js';
import { makeVolume, type Vec3, type Volume } from '#src/volume/volume.js';

const size: Vec3 = [4, 3, 5];
// PIR, with steps of 2, 3 and 1.5 mm.
const affine = [0, 0, 1.5, 10, -2, 0, 0, 20, 0, -3, 0, 30, 0, 0, 0, 1];
const volume = makeVolume({ data: Int16Array.from({ length: 60 }, (_, i) => i), size, affine });

test('a reorientation is undone to the very voxels', () => {
  const turned = reorient(volume, parseAxcodes('RAS'));
  assert.equal(turned.size, [5, 4, 3]);
  const back = invertHistory(turned, turned.history, 'nearest');
  assert.equal(back, volume);
});

test('a reorientation to where the volume lies already changes nothing', () => {
  assert.is(reorient(volume, parseAxcodes('PIR')), volume);
});

test('a crop is undone with zeros for what was cut, a pad by cutting', () => {
  const cut = cropOrPad(volume, [1, 1, 0], [2, 1, 5]);
  const back = invertHistory(cut, cut.history, 'nearest');
  const kept = Array.from(volume.data, (value, at) => {
    const [i, j] = [at % 4, Math.floor(at / 4) % 3];
    return i > 0 && i < 3 && j === 1 ? value : 0;
  });
  assert.equal(Array.from(back.data), kept);
  assert.equal([back.size, back.affine], [size, affine]);
  const padded = cropOrPad(volume, [-2, 0, -1], [9, 3, 7], 'replicate');
  assert.equal(invertHistory(padded, padded.history, 'nearest'), volume);
});

test('a chain of steps is undone from the last to the first, on the exact grid of the beginning', () => {
  let label: Volume = makeVolume({ data: new Uint8Array(60), size, affine, kind: 'label' });
  (label.data as Uint8Array).fill(1, 12, 36);
  const before = label;
  label = reorient(label, parseAxcodes('RAS'));
  const settings = { mode: 'nearest', padding: 'border', diagonal: false, scaleExtent: false } as const;
  label = respace(label, { ...settings, pixdim: [0.5, 0.5, 0.5] });
  label = cropOrPad(label, [-1, 0, 0], [label.size[0] + 2, label.size[1], label.size[2]]);
  assert.equal(
    label.history.map(({ step }) => step),
    ['orient', 'resample', 'cropOrPad'],
  );
  assert.equal(invertHistory(label, label.history, 'nearest'), before);
});

test('another volume goes the way back by the history of the one it lies on', () => {
  const image = reorient(volume, parseAxcodes('RAS'));
  const { size: turned, affine: turnedAffine } = image;
  const logits = makeVolume({
    data: Float32Array.from({ length: 120 }, (_, i) => (i < 60 ? image.data[i] : -image.data[i - 60])),
    size: turned,
    affine: turnedAffine,
    channels: 2,
    kind: 'logits',
  });
  const back = invertHistory(logits, image.history, 'bilinear');
  assert.equal(Array.from(back.data.subarray(0, 60)), Array.from(volume.data));
  assert.equal(
    Array.from(back.data.subarray(60)),
    Array.from(volume.data, (value) => -value),
  );
  assert.equal([back.size, back.affine, back.kind, back.history], [size, affine, 'logits', []]);
});

test('voxels half way between two others take the one that MONAI 1.3.2 takes', () => {
  // Rounded to float32, these axes are not quite at right angles, so the grids share their centres: slice 19
  // of 38 is half way between slices 24 and 25 of 49. MONAI takes 24 up to x = 16, and 25 beyond.
  const [a, b, c, d] = [4.02467155456543, 0.7441551089286804, 0.7823168635368347, 3.828346014022827];
  const tilted = [a, 0, -b, -97.54236418008804, 0, 2.9000000953674316, 0, -66.53232049942017];
  const image = makeVolume({
    data: new Uint8Array(48 * 58 * 38),
    size: [48, 58, 38],
    affine: [...tilted, c, 0, d, -88.58481860160828, 0, 0, 0, 1],
  });
  const settings = { mode: 'bilinear', padding: 'border', diagonal: false, scaleExtent: false } as const;
  const spaced = respace(image, { ...settings, pixdim: [3, 3, 3] });
  assert.equal(spaced.size, [65, 56, 49]);
  const slices = Uint8Array.from({ length: 65 * 56 * 49 }, (_, i) => Math.floor(i / (65 * 56)));
  const back = invertHistory({ ...spaced, data: slices, kind: 'label' }, spaced.history, 'nearest');
  const row = Array.from(back.data.subarray(48 * (28 + 58 * 19), 48 * (29 + 58 * 19)));
  assert.equal(
    row,
    Array.from({ length: 48 }, (_, x) => (x <= 16 ? 24 : 25)),
  );
});

test.run();
