import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { countOverlaps } from '#src/volume/overlap.js';
import { makeVolume, type Volume } from '#src/volume/volume.js';

const labels = (text: string, fields: Partial<Volume> = {}) => {
  const data = Uint8Array.from(text.replaceAll(/\s/g, ''), Number);
  return makeVolume({ data, size: [4, 2, 2], kind: 'label', ...fields });
};

test('countOverlaps counts all labels of both maps in one pass, with the box around each', () => {
  const prediction = labels('0110 0010  0000 0005');
  const reference = labels('0010 0010  0010 0000');
  assert.equal(
    [...countOverlaps(prediction, reference)],
    [
      [0, { predicted: 12, reference: 13, both: 11, box: { start: [0, 0, 0], size: [4, 2, 2] } }],
      [1, { predicted: 3, reference: 3, both: 2, box: { start: [1, 0, 0], size: [2, 2, 2] } }],
      [5, { predicted: 1, reference: 0, both: 0, box: { start: [3, 1, 1], size: [1, 1, 1] } }],
    ],
  );
});

test('countOverlaps takes channels as masks, whatever their values are', () => {
  const prediction = labels('0000 0000 0000 0000 0220 0000 0000 0000', { channels: 2 });
  const reference = labels('0000 0000 0000 0000 0010 0000 0000 0000', { channels: 2 });
  assert.equal(
    [...countOverlaps(prediction, reference)],
    [[1, { predicted: 2, reference: 1, both: 1, box: { start: [1, 0, 0], size: [2, 1, 1] } }]],
  );
});

test.run();
