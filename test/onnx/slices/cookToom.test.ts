import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { biasShares, type FastFilter, fastFilter, type Matrix } from '#src/onnx/slices/cookToom.js';

const times = (matrix: Matrix, vector: readonly number[]) =>
  matrix.map((row) => row.reduce((sum, x, i) => sum + x * vector[i], 0));

/** Outputs that read the inputs from their index times `stride` on. */
function directly(taps: readonly number[], inputs: readonly number[], m: number, stride: number) {
  return Array.from({ length: m }, (_, i) =>
    taps.reduce((sum, tap, t) => sum + tap * inputs[i * stride + t], 0),
  );
}

/** The rounding error of random inputs, as a multiple of a direct convolution's with the same taps. */
function amplification({ inputs, filter, outputs }: FastFilter): number {
  const squared = (row: readonly number[]) => row.reduce((sum, x) => sum + x * x, 0);
  const ofProducts = inputs.map((row, p) => squared(row) * squared(filter[p]));
  const ofOutputs = outputs.map((row) => row.reduce((sum, x, p) => sum + x * x * ofProducts[p], 0));
  const mean = ofOutputs.reduce((sum, x) => sum + x, 0) / outputs.length;
  return Math.sqrt(mean / filter[0].length);
}

test('few products give the outputs of a filter and its bias, for each tile, filter and stride', () => {
  const numbers = [0.3, -1.7, 2.1, 0.9, -0.4, 1.3, -2.2, 0.6, 1.1, -0.8, 0.2, 1.9, -1.5];
  for (const stride of [1, 2]) {
    for (const taps of [2, 3]) {
      for (const m of [2, 4, 6]) {
        const fast = fastFilter(m, taps, stride);
        const inputs = numbers.slice(0, (m - 1) * stride + taps);
        const own = [0.7, -1.1, 0.45].slice(0, taps);
        const shares = biasShares(fast);
        const products = times(fast.filter, own).map((w, p) => w * times(fast.inputs, inputs)[p]);
        const outputs = times(
          fast.outputs,
          products.map((product, p) => product + 5 * shares[p]),
        );
        for (const [i, expected] of directly(own, inputs, m, stride).entries()) {
          assert.ok(Math.abs(outputs[i] - expected - 5) < 1e-12, `F(${m}, ${taps}) by ${stride}: ${i}`);
        }
      }
    }
  }
});

test('tiles of four and six slices amplify rounding errors by known factors', () => {
  const factors = [2, 4, 6].map((m) => Number(amplification(fastFilter(m, 3)).toFixed(2)));
  assert.equal(factors, [1.29, 2.19, 4.54]);
  assert.equal(Number(amplification(fastFilter(4, 2)).toFixed(2)), 2);
});

test.run();
