import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import * as ort from '#src/onnx/ort.js';
import { preciseNorms } from '#src/onnx/passes/preciseNorms.js';
import { floats, int64s } from '#src/onnx/tensor.js';
import { Random } from '#src/volume/random.js';

const channels = 4;
const dims = [1, channels, 32, 40, 24];
const count = dims.slice(2).reduce((a, b) => a * b);

/** A normalization of `groups` groups with an offset of the values, as the builders write one. */
function normGraph(groups: number): Graph {
  const graph = new Graph();
  graph.addInput('x', 'float32', dims);
  const ones = graph.addConstant('scale', floats([groups], new Float32Array(groups).fill(2)));
  const zeros = graph.addConstant('bias', floats([groups], new Float32Array(groups).fill(0.5)));
  const epsilon = { float: 1e-5 };
  if (groups === channels) {
    graph.addNode('InstanceNormalization', ['x', ones, zeros], { epsilon }, { outputs: ['y'] });
  } else {
    const apart = graph.addNode('Reshape', ['x', graph.addConstant('sizes', int64s([0, groups, -1]))]);
    const normal = graph.addNode('InstanceNormalization', [apart, ones, zeros], { epsilon });
    graph.addNode('Reshape', [normal, graph.addNode('Shape', ['x'])], {}, { outputs: ['y'] });
  }
  graph.addOutput('y', 'float32', dims);
  return graph;
}

for (const groups of [channels, 2]) {
  test(`a normalization of ${groups} groups of ${channels} channels is computed as in double precision`, async () => {
    const random = new Random(1);
    const values = Float32Array.from(
      { length: channels * count },
      (_, i) => random.uniform() + 3 + 5 * Math.floor(i / count),
    );
    const session = await ort.InferenceSession.create(writeModel(preciseNorms(normGraph(groups))));
    const { y } = await session.run({ x: new ort.Tensor('float32', values, dims) });
    await session.release();
    const size = (channels / groups) * count;
    let worst = 0;
    for (let g = 0; g < groups; g++) {
      const part = Array.from(values.subarray(g * size, (g + 1) * size));
      const mean = part.reduce((sum, value) => sum + value, 0) / size;
      const variance = part.reduce((sum, value) => sum + (value - mean) ** 2, 0) / size;
      part.forEach((value, i) => {
        const expected = (2 * (value - mean)) / Math.sqrt(variance + 1e-5) + 0.5;
        worst = Math.max(worst, Math.abs((y.data as Float32Array)[g * size + i] - expected));
      });
    }
    // The mean of values near 18 is rounded to a step of 2e-6, and the deviation is 0.29.
    assert.ok(worst < 2e-5, `${worst}`);
  });
}

test.run();
