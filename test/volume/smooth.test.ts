import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { erf, gaussianSmooth, gaussianWeights } from '#src/volume/smooth.js';
import { makeVolume } from '#src/volume/volume.js';

const near = (found: ArrayLike<number>, expected: readonly number[], tolerance: number) => {
  assert.is(found.length, expected.length);
  expected.forEach((value, i) => {
    assert.ok(Math.abs(found[i] - value) <= tolerance, `${i}: ${found[i]}, not ${value}`);
  });
};

test('erf and the weights of a Gaussian are those of PyTorch', () => {
  // torch 1.13, float64
  near(
    [0.1, 1, 2.5, 3.5, 5, -1].map(erf),
    [
      0.1124629160182849, 0.8427007929497149, 0.999593047982555, 0.9999992569016276, 0.9999999999984626,
      -0.8427007929497149,
    ],
    1e-14,
  );
  near(gaussianWeights(0.25), [0.022750131, 0.954499736, 0.022750131], 1e-8);
  near(
    gaussianWeights(0.8),
    [0.000882954, 0.029507337, 0.235589167, 0.468028941, 0.235589167, 0.029507337, 0.000882954],
    1e-8,
  );
  assert.is(gaussianWeights(1.5).length, 13);
});

test('gaussianSmooth spreads a point along each axis, with zeros outside', () => {
  const data = new Float32Array(2 * 27);
  data[27 + 13] = 1;
  const smooth = gaussianSmooth(makeVolume({ data, size: [3, 3, 3], channels: 2 }), [0.25, 0, 0.25]).data;
  const [side, middle] = [0.022750131, 0.954499736];
  near(smooth.subarray(0, 27), new Array(27).fill(0), 0);
  near(
    [12, 13, 14].map((at) => smooth[27 + at]),
    [side * middle, middle * middle, side * middle],
    1e-7,
  );
  near(
    [4, 22, 10].map((at) => smooth[27 + at]),
    [middle * side, middle * side, 0],
    1e-7,
  );
  const edge = gaussianSmooth(makeVolume({ data: Float32Array.of(1, 0), size: [2, 1, 1] }), [0.25, 0, 0]);
  near(edge.data, [middle, side], 1e-7);
});

test.run();
