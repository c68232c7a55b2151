import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError } from '#src/errors.js';
import { clip } from '#src/volume/clip.js';
import { adjustContrast } from '#src/volume/contrast.js';
import { histogramNormalize } from '#src/volume/histogram.js';
import { nanToNum } from '#src/volume/nanToNum.js';
import { percentilesOf, scaleIntensityRangePercentiles } from '#src/volume/percentiles.js';
import { rescale } from '#src/volume/rescale.js';
import { thresholdIntensity } from '#src/volume/threshold.js';
import { makeVolume } from '#src/volume/volume.js';

const volumeOf = (values: readonly number[], channels = 1) =>
  makeVolume({ data: Float32Array.from(values), size: [values.length / channels, 1, 1], channels });
const values = ({ data }: { data: ArrayLike<number> }) => Array.from(data);
const near = (found: readonly number[], expected: readonly number[], tolerance = 1e-5) => {
  assert.is(found.length, expected.length);
  expected.forEach((value, i) => {
    assert.ok(Math.abs(found[i] - value) <= tolerance, `${i}: ${found[i]}, not ${value}`);
  });
};

const sample = [3, 1, 4, 1, 5, 9, 2, 6];

test('rescale maps the extent to minv and maxv, for all channels together or each', () => {
  const settings = { minv: -1, maxv: 1, channelWise: false };
  assert.equal(values(rescale(volumeOf([0, 1, 2, 4], 2), settings)), [-1, -0.5, 0, 1]);
  assert.equal(
    values(rescale(volumeOf([0, 1, 2, 4], 2), { ...settings, channelWise: true })),
    [-1, 1, -1, 1],
  );
});

test('rescale gives a constant volume times minv, and NaN wherever a voxel is NaN', () => {
  const settings = { minv: 0.5, maxv: 1, channelWise: false };
  assert.equal(values(rescale(volumeOf([6, 6]), settings)), [3, 3]);
  assert.equal(values(rescale(volumeOf([6, 6]), { ...settings, minv: null })), [6, 6]);
  assert.equal(values(rescale(volumeOf([1, 2]), { ...settings, minv: null })), [0, 1]);
  assert.ok(values(rescale(volumeOf([1, Number.NaN, 2]), settings)).every(Number.isNaN));
});

test('rescale multiplies by 1 + factor without minv and maxv', () => {
  const settings = { minv: null, maxv: null, factor: 0.5, channelWise: false };
  assert.equal(values(rescale(volumeOf([2, -4]), settings)), [3, -6]);
});

test('percentilesOf interpolates like NumPy 1.24, also between negative numbers', () => {
  near(percentilesOf(Float32Array.from(sample), [10, 37.5, 50, 99]), [1, 2.625, 3.5, 8.79]);
  near(percentilesOf(Int16Array.of(-5, 10, -20, 0), [0, 50, 100]), [-20, -2.5, 10]);
  near(percentilesOf(Float32Array.of(-0.5, 7), [25]), [1.375]);
  assert.equal(percentilesOf(Float32Array.of(4), [0, 100]), [4, 4]);
  assert.ok(Number.isNaN(percentilesOf(Float32Array.of(1, Number.NaN), [50])[0]));
  assert.equal(percentilesOf(Float32Array.of(1, Number.POSITIVE_INFINITY, 2), [0, 100]), [
    1,
    Number.POSITIVE_INFINITY,
  ]);
});

test('percentilesOf finds the places of a large sorted sequence', () => {
  // 1,200,001 numbers, more than MONAI gives to PyTorch, in an order without a pattern.
  const n = 1_200_001;
  const data = Float32Array.from({ length: n }, (_, i) => ((i * 7919) % n) - 600_000);
  assert.equal(percentilesOf(data, [0, 0.5, 50, 99.5, 100]), [-600_000, -594_000, 0, 594_000, 600_000]);
});

test('scaleIntensityRangePercentiles clips, maps relative to the percentages, and shifts a constant volume', () => {
  const settings = {
    lower: 25,
    upper: 75,
    bMin: 0,
    bMax: 10,
    clip: false,
    relative: false,
    channelWise: false,
  };
  const line = volumeOf([0, 1, 2, 3, 4]);
  assert.equal(values(scaleIntensityRangePercentiles(line, settings)), [-5, 0, 5, 10, 15]);
  assert.equal(values(scaleIntensityRangePercentiles(line, { ...settings, clip: true })), [0, 0, 5, 10, 10]);
  assert.equal(
    values(scaleIntensityRangePercentiles(line, { ...settings, clip: true, relative: true })),
    [2.5, 2.5, 5, 7.5, 7.5],
  );
  assert.equal(values(scaleIntensityRangePercentiles(volumeOf([7, 7]), { ...settings, bMin: 1 })), [1, 1]);
  const two = volumeOf([0, 2, 10, 30], 2);
  assert.equal(
    values(scaleIntensityRangePercentiles(two, { ...settings, lower: 0, upper: 100, channelWise: true })),
    [0, 10, 0, 10],
  );
});

test('adjustContrast gives what PyTorch gives for the formulas of MONAI', () => {
  const settings = { gamma: 0.7, invertImage: false, retainStats: false };
  near(
    values(adjustContrast(volumeOf(sample), settings)),
    [4.031433, 1, 5.026353, 1, 5.924578, 9, 2.866066, 6.75713],
  );
  near(
    values(adjustContrast(volumeOf(sample), { ...settings, retainStats: true })),
    [3.463995, 0.492267, 4.439321, 0.492267, 5.319854, 8.334705, 2.32158, 6.136009],
  );
  near(
    values(adjustContrast(volumeOf(sample), { ...settings, gamma: 2, invertImage: true })),
    [4.5, 1, 5.875, 1, 7, 9, 2.875, 7.875],
  );
  assert.equal(values(adjustContrast(volumeOf([3, 3]), settings)), [3, 3]);
});

test('histogramNormalize gives what NumPy 1.24 gives for the formulas of MONAI', () => {
  const settings = { numBins: 4, min: 0, max: 10 };
  near(values(histogramNormalize(volumeOf(sample), undefined, settings)), [2, 0, 4, 0, 6, 10, 0, 8]);
  // A constant volume is in the middle of its bins.
  assert.equal(values(histogramNormalize(volumeOf([5, 5]), undefined, { ...settings, numBins: 2 })), [5, 5]);
});

test('histogramNormalize counts only voxels of the mask, and refuses an empty one and NaN', () => {
  const settings = { numBins: 2, min: 0, max: 1 };
  const mask = makeVolume({ data: Uint8Array.of(1, 1, 0), size: [3, 1, 1] });
  assert.equal(values(histogramNormalize(volumeOf([0, 4, 100]), mask, settings)), [0, 1, 1]);
  const refused = (...args: Parameters<typeof histogramNormalize>) => {
    assert.throws(
      () => histogramNormalize(...args),
      (error: Error) => error instanceof DataError && /histogramNormalize/.test(error.message),
    );
  };
  refused(volumeOf([1, 2, 3]), { ...mask, data: new Uint8Array(3) }, settings);
  refused(volumeOf([1, Number.NaN]), undefined, settings);
});

test('thresholdIntensity keeps what is strictly above or below, and replaces NaN', () => {
  const line = volumeOf([1, 2, 3, Number.NaN]);
  assert.equal(values(thresholdIntensity(line, 2, true, -9)), [-9, -9, 3, -9]);
  assert.equal(values(thresholdIntensity(line, 2, false, 0)), [1, 0, 0, 0]);
});

test('clip limits to values or percentiles, of all channels or each', () => {
  const line = volumeOf([-5, 0, 1, 2, Number.NaN, 9]);
  const channelWise = false;
  assert.equal(values(clip(line, { min: 0, max: 2, channelWise })), [0, 0, 1, 2, Number.NaN, 2]);
  assert.equal(values(clip(volumeOf([0, 1, 2, 3, 4]), { lower: 25, channelWise })), [1, 1, 2, 3, 4]);
  assert.equal(values(clip(volumeOf([0, 4, 2, 8], 2), { upper: 50, channelWise: true })), [0, 2, 2, 5]);
  assert.equal(values(clip(volumeOf([0, 4, 2, 8], 2), { upper: 50, channelWise })), [0, 3, 2, 3]);
});

test('nanToNum replaces NaN and infinities, and copies nothing where there are none', () => {
  const odd = volumeOf([1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  assert.equal(values(nanToNum(odd, { nan: 0, posinf: 5, neginf: -5 })), [1, 0, 5, -5]);
  const finite = volumeOf([1, 2]);
  assert.is(nanToNum(finite, { nan: 0, posinf: 0, neginf: 0 }), finite);
});

test.run();
