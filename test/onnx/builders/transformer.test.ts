import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Axes } from '#src/onnx/builders/config.js';
import { attend, linear } from '#src/onnx/builders/layers/transformer.js';
import {
  join,
  maskOf,
  partition,
  relativeBias,
  relativeIndex,
  windowsOf,
} from '#src/onnx/builders/layers/windows.js';
import { NetworkBuilder } from '#src/onnx/builders/networkBuilder.js';
import { floats, type Tensor } from '#src/onnx/tensor.js';
import { Random } from '#src/volume/random.js';
import { largestDifference, runGraph } from '../runGraph.js';

const random = new Random(4);
const values = (...dims: number[]) => {
  const size = dims.reduce((product, n) => product * n, 1);
  return floats(
    dims,
    Float32Array.from({ length: size }, () => random.normal(0, 1)),
  );
};

/** Builds a graph around one input and runs it. */
async function evaluate(
  input: Tensor,
  state: Record<string, Tensor>,
  build: (net: NetworkBuilder, x: string) => string,
) {
  const net = new NetworkBuilder('layers', new Map(Object.entries(state)));
  const x = net.graph.addInput('x', 'float32', input.dims);
  net.graph.addOutput(build(net, x), 'float32', []);
  return runGraph(net.graph, input);
}

test('a linear layer multiplies by the transposed weight and adds the bias', async () => {
  const state = { 'a.weight': floats([2, 3], [1, 2, 3, 4, 5, 6]), 'a.bias': floats([2], [0.5, -1]) };
  const output = await evaluate(floats([1, 3], [1, 10, 100]), state, (net, x) =>
    linear(net, 'a', x, { inputs: 3, outputs: 2, bias: true }),
  );
  assert.equal([...(output.data as Float32Array)], [321.5, 653]);
});

for (const headsFastest of [false, true]) {
  test(`attention is the softmax of scaled scores times values, heads ${headsFastest ? 'fastest' : 'side by side'}`, async () => {
    const [tokens, heads, size] = [3, 2, 4];
    const channels = heads * size;
    const qkv = values(1, tokens, 3 * channels);
    const bias = values(1, heads, tokens, tokens);
    const output = await evaluate(qkv, {}, (net, x) =>
      attend(net, x, { tokens, channels, heads, bias: net.constant('bias', bias), headsFastest }),
    );
    const at = (part: number, head: number, token: number, i: number) =>
      Number(qkv.data[token * 3 * channels + part * channels + head * size + i]);
    const expected = new Float32Array(tokens * channels);
    for (let head = 0; head < heads; head++) {
      for (let i = 0; i < tokens; i++) {
        const scores = Array.from({ length: tokens }, (_, j) => {
          let dot = 0;
          for (let d = 0; d < size; d++) dot += at(0, head, i, d) * at(1, head, j, d);
          return Math.exp(dot / Math.sqrt(size) + Number(bias.data[(head * tokens + i) * tokens + j]));
        });
        const total = scores.reduce((sum, score) => sum + score, 0);
        for (let d = 0; d < size; d++) {
          const sum = scores.reduce((all, score, j) => all + (score / total) * at(2, head, j, d), 0);
          expected[i * channels + (headsFastest ? d * heads + head : head * size + d)] = sum;
        }
      }
    }
    assert.ok(largestDifference(output.data as Float32Array, expected) < 1e-5);
  });
}

test('windows are clipped to short axes, shifted along long ones, and padded', () => {
  const sizes: Axes = [9, 7, 4];
  const windows = windowsOf(sizes, [7, 7, 7], true);
  assert.equal(windows, { window: [7, 7, 4], shift: [3, 0, 0], padded: [14, 7, 4], counts: [2, 1, 1] });
  assert.equal(windowsOf(sizes, [7, 7, 7], false).shift, [0, 0, 0]);
});

test('joining windows gives back the volume', async () => {
  const sizes: Axes = [5, 4, 3];
  const windows = windowsOf(sizes, [2, 3, 3], true);
  const input = values(1, ...sizes, 2);
  const output = await evaluate(input, {}, (net, x) =>
    join(net, partition(net, x, sizes, 2, windows), sizes, 2, windows),
  );
  assert.equal(output.dims, input.dims);
  assert.equal([...(output.data as Float32Array)], [...(input.data as Float32Array)]);
});

test('the bias of two tokens is the entry of the table for the difference of their places', async () => {
  // Three entries along the only axis that has more than one token: differences -1, 0 and 1. Two heads.
  const window: Axes = [1, 1, 2];
  const table = floats([3, 2], [1, -1, 2, -2, 3, -3]);
  const output = await evaluate(floats([1], [0]), { table }, (net, x) =>
    net.ops.add(x, relativeBias(net, 'table', { window, tokens: 2, heads: 2 })),
  );
  assert.equal([...(output.data as Float32Array)], [2, 1, 3, 2, -2, -1, -3, -2]);
});

test('a clipped window uses the first rows and columns of the whole index', () => {
  const whole = relativeIndex([2, 2, 2], 8);
  const rows = [0, 1, 2, 3].map((row) => [...whole.slice(row * 8, row * 8 + 4)]);
  assert.equal([...relativeIndex([2, 2, 2], 4)], rows.flat());
  assert.is(whole[0], 13n);
});

test('in the last window of a shifted axis, tokens of both ends of the volume do not see each other', () => {
  const windows = windowsOf([1, 1, 8], [1, 1, 4], true);
  assert.equal(windows.shift, [0, 0, 2]);
  const mask = maskOf(windows, [false, false, true]);
  assert.equal([...mask.slice(0, 4)], [0, 0, -100, -100]);
  assert.equal([...mask.slice(12)], [-100, -100, 0, 0]);
  assert.ok(maskOf(windows, [false, false, false]).every((value) => value === 0));
});

test.run();
