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

test.run();
