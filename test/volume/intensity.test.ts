import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { normalizeIntensity, scaleIntensityRange } from '#src/volume/intensity.js';
import { makeVolume, type VoxelArray, voxelTypeOf } from '#src/volume/volume.js';

const volume = (data: VoxelArray, channels = 1) =>
  makeVolume({ data, size: [data.length / channels, 1, 1], channels });
const near = (found: ArrayLike<number>, expected: number[]) => {
  assert.is(found.length, expected.length);
  expected.forEach((value, i) => {
    assert.ok(Math.abs(found[i] - value) < 1e-6, `${Array.from(found)} but expected ${expected}`);
  });
};

test('a range is mapped linearly, beyond its ends as well, as float32', () => {
  const image = volume(Int16Array.of(-100, 0, 100, 300));
  const result = scaleIntensityRange(image, { aMin: -100, aMax: 100, bMin: -1, bMax: 1, clip: false });
  near(result.data, [-1, 0, 1, 3]);
  assert.is(voxelTypeOf(result.data), 'float32');
  assert.equal(Array.from(image.data), [-100, 0, 100, 300]);
});

test('clip cuts off what lies outside the new range', () => {
  const image = volume(Int16Array.of(-1000, -57, 0, 164, 3000));
  const result = scaleIntensityRange(image, { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true });
  near(result.data, [0, 0, 57 / 221, 1, 1]);
});

test('without a new range values become shares of the old one, and clip has nothing to cut', () => {
  const image = volume(Int16Array.of(0, 50, 300));
  near(scaleIntensityRange(image, { aMin: 0, aMax: 100, clip: false }).data, [0, 0.5, 3]);
  near(scaleIntensityRange(image, { aMin: 0, aMax: 100, clip: true }).data, [0, 0.5, 3]);
});

test('an empty range only shifts, and does not clip', () => {
  const image = volume(Int16Array.of(5, 7));
  near(scaleIntensityRange(image, { aMin: 5, aMax: 5, bMin: 1, bMax: 2, clip: false }).data, [1, 3]);
  near(scaleIntensityRange(image, { aMin: 5, aMax: 5, bMin: 1, bMax: 2, clip: true }).data, [1, 3]);
  near(scaleIntensityRange(image, { aMin: 5, aMax: 5, clip: false }).data, [0, 2]);
});

const plain = { nonzero: false, channelWise: false };

test('normalizing takes the mean and the population deviation of all voxels', () => {
  // Mean 3, variance ((-2)^2 + 0 + 2^2 + 0) / 4 = 2.
  near(normalizeIntensity(volume(Int16Array.of(1, 3, 5, 3)), plain).data, [-Math.SQRT2, 0, Math.SQRT2, 0]);
});

test('with nonzero, zeros neither count nor change', () => {
  near(
    normalizeIntensity(volume(Int16Array.of(0, 2, 4, 0)), { ...plain, nonzero: true }).data,
    [0, -1, 1, 0],
  );
  near(normalizeIntensity(volume(Int16Array.of(0, 0)), { ...plain, nonzero: true }).data, [0, 0]);
});

test('given numbers replace mean and deviation, and a deviation of zero counts as one', () => {
  const image = volume(Int16Array.of(10, 30));
  near(normalizeIntensity(image, { ...plain, subtrahend: 20, divisor: 5 }).data, [-2, 2]);
  near(normalizeIntensity(image, { ...plain, subtrahend: 0 }).data, [1, 3]);
  near(normalizeIntensity(volume(Int16Array.of(7, 7)), plain).data, [0, 0]);
});

test('channels are normalized together, or each by itself with separate numbers', () => {
  const image = volume(Int16Array.of(0, 2, 10, 30), 2);
  near(normalizeIntensity(image, { ...plain, channelWise: true }).data, [-1, 1, -1, 1]);
  const lists = { ...plain, channelWise: true, subtrahend: [1, 20], divisor: [1, 5] };
  near(normalizeIntensity(image, lists).data, [-1, 1, -2, 2]);
  const together = normalizeIntensity(image, plain).data;
  const deviation = Math.sqrt((10.5 ** 2 + 8.5 ** 2 + 0.5 ** 2 + 19.5 ** 2) / 4);
  near(
    together,
    [-10.5, -8.5, -0.5, 19.5].map((value) => value / deviation),
  );
});

test.run();
