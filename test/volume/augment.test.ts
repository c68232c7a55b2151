import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { identityAffine } from '#src/volume/affine.js';
import { applyBiasField, biasCoefficients } from '#src/volume/biasField.js';
import { deform } from '#src/volume/elastic.js';
import { shiftHistogram } from '#src/volume/histogramShift.js';
import { makeVolume, type Vec3 } from '#src/volume/volume.js';
import { rotatedSize, warpMatrix } from '#src/volume/warp.js';

const near = (found: ArrayLike<number>, expected: readonly number[], tolerance: number) => {
  assert.is(found.length, expected.length);
  expected.forEach((value, i) => {
    assert.ok(Math.abs(found[i] - value) <= tolerance, `${i}: ${found[i]}, not ${value}`);
  });
};

test("applyBiasField is NumPy's leggrid3d of the coefficients, the same for all channels", () => {
  const size: Vec3 = [4, 3, 2];
  const coefficients = Array.from({ length: biasCoefficients(3) }, (_, i) => ((i * 7) % 11) / 50);
  const data = new Int16Array(48).fill(1, 0, 24).fill(2, 24);
  const found = applyBiasField(makeVolume({ data, size, channels: 2 }), 3, coefficients).data;
  // numpy 1.24: exp(polynomial.legendre.leggrid3d(…)), x fastest.
  const expected = [
    0.256661, 0.500648, 0.678312, 0.697676, 0.527292, 0.727226, 0.796006, 0.755784, 0.960789, 1.191026,
    1.338905, 1.491825, 1.040811, 0.962214, 0.99852, 1.271249, 1.462285, 1.247924, 1.365952, 2.095936,
    2.054433, 2.057479, 3.019784, 7.099327,
  ];
  near(found.subarray(0, 24), expected, 2e-6);
  near(
    found.subarray(24),
    expected.map((value) => 2 * value),
    4e-6,
  );
});

test('shiftHistogram moves control points in the range of the volume, and keeps its ends', () => {
  const line = makeVolume({ data: Int16Array.of(10, 12, 15, 18, 20), size: [5, 1, 1] });
  near(shiftHistogram(line, [0, 0.2, 1]).data, [10, 10.8, 12, 16.8, 20], 1e-6);
  const constant = makeVolume({ data: Int16Array.of(7, 7), size: [2, 1, 1] });
  assert.is(shiftHistogram(constant, [0, 0.2, 1]), constant);
});

test('deform moves voxels by smooth offsets, the same for the same seed, and not at all for magnitude 0', () => {
  const size: Vec3 = [12, 10, 8];
  // x as intensity: the result shows where each voxel was read.
  const data = Float32Array.from({ length: 960 }, (_, i) => i % 12);
  const volume = makeVolume({ data, size });
  const elastic = { sigma: 2, magnitude: 10, seed: [1, 2], matrix: identityAffine } as const;
  const read = (options: object = {}) =>
    deform(volume, { ...elastic, ...options }, size, 'bilinear', 'border').data as Float32Array;
  assert.equal(read({ magnitude: 0 }), data);
  const moved = read();
  assert.equal(read(), moved);
  assert.not.equal(read({ seed: [1, 3] }), moved);
  const middle = (4 * 10 + 5) * 12;
  const steps = Array.from({ length: 5 }, (_, i) => moved[middle + 5 + i] - moved[middle + 4 + i]);
  const offset = moved[middle + 6] - 6;
  assert.ok(Math.abs(offset) > 0.01 && Math.abs(offset) < 5, `${offset}`);
  for (const step of steps) assert.ok(Math.abs(step - 1) < 0.6, `neighbours move alike: ${steps}`);
});

test('rotatedSize holds a rotated volume', () => {
  const turn = (z: number) =>
    warpMatrix({ rotate: [0, 0, z], shear: [0, 0, 0, 0, 0, 0], translate: [0, 0, 0], scale: [1, 1, 1] });
  assert.equal(rotatedSize([10, 4, 3], turn(Math.PI / 2)), [4, 10, 3]);
  assert.equal(rotatedSize([10, 4, 3], turn(0)), [10, 4, 3]);
  // 10 / sqrt(2) + 4 / sqrt(2) = 9.9
  assert.equal(rotatedSize([10, 4, 3], turn(Math.PI / 4)), [10, 10, 3]);
});

test.run();
