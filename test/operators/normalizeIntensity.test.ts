import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { DataError } from '#src/errors.js';
import { normalizeIntensity } from '#src/operators/normalizeIntensity.js';
import { makeVolume } from '#src/volume/volume.js';
import { refused, through } from '../shared.js';

const subject = makeCase({
  id: 'a',
  volumes: { image: makeVolume({ data: Int16Array.of(0, 2, 4, 0), size: [4, 1, 1] }) },
});
const two = makeCase({
  id: 'b',
  volumes: { image: makeVolume({ data: Int16Array.of(0, 2, 10, 30), size: [2, 1, 1], channels: 2 }) },
});
const values = async (...args: Parameters<typeof normalizeIntensity>) =>
  Array.from((await through(normalizeIntensity(...args), subject)).volumes.image.data);

test('normalizeIntensity uses mean and deviation of all voxels, or of those that are not 0', async () => {
  // Mean 1.5, variance 2.75.
  const expected = [-1.5, 0.5, 2.5, -1.5].map((value) => Math.fround(value / Math.sqrt(2.75)));
  assert.equal(await values(), expected);
  assert.equal(await values({ nonzero: true }), [0, -1, 1, 0]);
  assert.equal(await values({ subtrahend: 1, divisor: 2 }), [-0.5, 0.5, 1.5, -0.5]);
});

test('channelWise normalizes each channel separately, with one number per channel', async () => {
  const step = normalizeIntensity({ channelWise: true, subtrahend: [0, 10], divisor: [2, 20] });
  const { volumes, timings } = await through(step, two);
  assert.equal(Array.from(volumes.image.data), [0, 1, 0, 1]);
  assert.ok(timings.normalizeIntensity > 0);
});

test('a list that does not match the channels fails the case, and a list without channelWise is rejected', async () => {
  const step = normalizeIntensity({ channelWise: true, divisor: [1, 2, 3] });
  const error = await through(step, two).catch((fault) => fault);
  assert.instance(error, DataError);
  assert.is(error.message, 'normalizeIntensity: divisor holds 3 numbers, but image has 2 channel(s).');
  refused(
    () => normalizeIntensity({ subtrahend: [1] }),
    'normalizeIntensity: subtrahend and divisor may be lists only with channelWise: true.',
  );
});

test.run();
