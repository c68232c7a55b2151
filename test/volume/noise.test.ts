import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addNoise, scaleAndShift } from '#src/volume/noise.js';
import { makeVolume } from '#src/volume/volume.js';

const near = (found: ArrayLike<number>, expected: readonly number[], tolerance: number) => {
  assert.is(found.length, expected.length);
  expected.forEach((value, i) => {
    assert.ok(Math.abs(found[i] - value) <= tolerance, `${i}: ${found[i]}, not ${value}`);
  });
};

test('scaleAndShift takes numbers for each channel', () => {
  const volume = makeVolume({ data: Int16Array.of(1, 2, 3, 4), size: [2, 1, 1], channels: 2 });
  near(scaleAndShift(volume, [2, 0.5], [1, 0]).data, [3, 5, 1.5, 2], 0);
});

test('addNoise has the mean and deviation asked for, and is the same for the same seed', () => {
  const volume = makeVolume({ data: new Float32Array(40 ** 3).fill(5), size: [40, 40, 40] });
  const data = addNoise(volume, 1, 0.5, [1, 2]).data as Float32Array;
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const deviation = Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length);
  // Standard errors of 64,000 draws: 0.002 and 0.0014.
  assert.ok(Math.abs(mean - 6) < 0.01, `${mean}`);
  assert.ok(Math.abs(deviation - 0.5) < 0.007, `${deviation}`);
  assert.equal(addNoise(volume, 1, 0.5, [1, 2]).data, data);
  assert.not.equal(addNoise(volume, 1, 0.5, [1, 3]).data, data);
});

test.run();
