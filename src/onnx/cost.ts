import { intOf } from './edit.js';
import type { Graph, GraphNode } from './graph.js';
import { writeModel } from './modelFile.js';
import * as ort from './ort.js';
import { nchwc } from './slices/values.js';
import { sizeOf } from './tensor.js';

/** Operators that do nearly all the arithmetic of a segmentation network. */
const counted = ['Conv', 'ConvTranspose', 'MatMul', 'Gemm'];

/** The values of a model's constants of float types: its weights, biases and statistics. */
export function parameterCount(graph: Graph): number {
  let count = 0;
  for (const { type, dims } of graph.initializers.values()) if (/float/.test(type)) count += sizeOf(dims);
  return count;
}

/**
 * The floating-point operations of a model for one window: two (multiply and add) for each product of its
 * convolutions and matrix products, those of padding included; activations, normalizations and sums of
 * tensors are left out, a few percent. The shapes come from a run of the model on zeros, so that they are
 * right whatever operators it has.
 *
 * @param dims The shape of its one float32 input.
 */
export async function countOperations(graph: Graph, dims: readonly number[]): Promise<number> {
  const probed = graph.clone();
  probed.outputs = [];
  const nodes = graph.nodes.filter(
    ({ op, domain }) => counted.includes(op) && (domain === '' || domain === nchwc),
  );
  const shapeOf = (value: string) => {
    const shape = probed.addNode('Shape', [value]);
    probed.addOutput(shape, 'int64', [`${shape}_rank`]);
    return shape;
  };
  const names = nodes.map(({ inputs, outputs }) => [inputs[0], inputs[1], outputs[0]].map(shapeOf));
  if (nodes.length === 0) return 0;
  const session = await ort.InferenceSession.create(writeModel(probed), { logSeverityLevel: 4 });
  const zeros = new ort.Tensor('float32', new Float32Array(sizeOf(dims)), dims);
  const shapes = await session.run({ [graph.inputs[0].name]: zeros });
  await session.release();
  let operations = 0;
  for (const [i, node] of nodes.entries()) {
    const [x, w, y] = names[i].map((name) => Array.from(shapes[name].data as BigInt64Array, Number));
    operations += 2 * productsOf(node, x, w, y);
  }
  return operations;
}

/** How many products a node takes, by the shapes of its input, its weight and its output. */
function productsOf(
  node: GraphNode,
  x: readonly number[],
  w: readonly number[],
  y: readonly number[],
): number {
  switch (node.op) {
    case 'Conv':
      return sizeOf(y) * sizeOf(w.slice(1));
    case 'ConvTranspose':
      return sizeOf(x) * sizeOf(w.slice(1));
    case 'Gemm':
      return sizeOf(y) * x[intOf(node, 'transA', 0) ? 0 : 1];
    default:
      return sizeOf(y) * (x.at(-1) ?? 1);
  }
}
