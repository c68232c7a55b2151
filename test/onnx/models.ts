import * as assert from 'uvu/assert';
import { type Attribute, Graph, type GraphNode } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import * as ort from '#src/onnx/ort.js';
import { floats, sizeOf, type Tensor } from '#src/onnx/tensor.js';

/** Numbers from -0.5 to 0.5, the same every time. */
export function random(dims: readonly number[], seed = 1): Tensor {
  let state = seed * 2654435761;
  const values = Float32Array.from({ length: sizeOf(dims) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
  return floats(dims, values);
}

/**
 * A graph of one input `x` [n, channels, a, b, c] and one output `y`; `build` returns the value that becomes
 * `y`.
 */
export function graphOf(
  channels: number,
  build: (graph: Graph, x: string) => string,
  outputs: number,
): Graph {
  const graph = new Graph();
  const x = graph.addInput('x', 'float32', ['n', channels, 'a', 'b', 'c']);
  const value = build(graph, x);
  graph.addOutput(value, 'float32', ['n', outputs, 'i', 'j', 'k']);
  return graph;
}

let seed = 1;

/** Random weights that keep values about as large as they were, whatever the number of terms in a sum. */
function weights(dims: readonly number[], terms: number): Tensor {
  const { data } = random(dims, seed++);
  return floats(
    dims,
    (data as Float32Array).map((value) => value * Math.sqrt(12 / terms)),
  );
}

/** Adds a 3D convolution with random weights and a bias; `size` is its kernel's edge. */
export function conv(
  graph: Graph,
  x: string,
  [inputs, outputs]: readonly [number, number],
  attributes: Readonly<Record<string, Attribute>> = { pads: [1, 1, 1, 1, 1, 1] },
  kernel: readonly number[] = [3, 3, 3],
): string {
  return graph.addNode(
    'Conv',
    [
      x,
      graph.addConstant('w', weights([outputs, inputs, ...kernel], inputs * sizeOf(kernel))),
      graph.addConstant('b', random([outputs], seed++)),
    ],
    attributes,
  );
}

/** Adds a 3D transposed convolution with random weights and a bias. */
export function convTranspose(
  graph: Graph,
  x: string,
  [inputs, outputs]: readonly [number, number],
  attributes: Readonly<Record<string, Attribute>> = {
    strides: [2, 2, 2],
    pads: [1, 1, 1, 1, 1, 1],
    output_padding: [1, 1, 1],
  },
  kernel: readonly number[] = [3, 3, 3],
): string {
  return graph.addNode(
    'ConvTranspose',
    [
      x,
      graph.addConstant('w', weights([inputs, outputs, ...kernel], (inputs * sizeOf(kernel)) / 8)),
      graph.addConstant('b', random([outputs], seed++)),
    ],
    attributes,
  );
}

export function leakyRelu(graph: Graph, x: string, slope = 0.2): string {
  return graph.addNode('LeakyRelu', [x], { alpha: { float: slope } });
}

export async function run(
  graph: Graph,
  dims: readonly number[],
  options: ort.InferenceSession.SessionOptions = {},
): Promise<ort.TypedTensor<'float32'>> {
  const session = await ort.InferenceSession.create(writeModel(graph), { logSeverityLevel: 3, ...options });
  const data = random(dims, 99).data as Float32Array;
  const result = await session.run({ [graph.inputs[0].name]: new ort.Tensor('float32', data, dims) });
  const output = result[graph.outputs[0].name];
  await session.release();
  return output as ort.TypedTensor<'float32'>;
}

/** Fails unless both graphs give the same numbers, within `tolerance`, for an input of these sizes. */
export async function assertSame(
  actual: Graph,
  expected: Graph,
  dims: readonly number[],
  tolerance = 2e-6,
): Promise<void> {
  const [a, b] = [await run(actual, dims), await run(expected, dims)];
  assert.equal(a.dims, b.dims);
  const difference = maxDifference(a.data, b.data);
  assert.ok(difference <= tolerance, `the largest difference is ${difference}`);
  assert.ok(maxDifference(b.data, new Float32Array(b.data.length)) > 0.01, 'the output is not all zeros');
}

export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  // A NaN is larger than every tolerance.
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}

/** Names of a graph's operators in order. */
export function ops(graph: Graph): string[] {
  return graph.nodes.map((node: GraphNode) => node.op);
}
