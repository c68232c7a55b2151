import { isOp, rewriteNodes } from '../edit.js';
import type { Attribute, Graph, GraphNode } from '../graph.js';
import { type Tensor, tensor } from '../tensor.js';

/** Attributes that list one value, or a first and a last one, per spatial axis. */
const spatial = ['kernel_shape', 'strides', 'dilations', 'pads', 'output_padding', 'output_shape'];

/** Operators whose kernel (input 1) lies along the spatial axes. */
const withKernel = ['Conv', 'ConvTranspose'];

/** Operators that treat all axes but the channels' alike, besides those with the attributes above. */
const symmetric = [
  ...['MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool'],
  ...['BatchNormalization', 'InstanceNormalization', 'GroupNormalization'],
  ...[
    'Relu',
    'LeakyRelu',
    'PRelu',
    'Elu',
    'Selu',
    'Celu',
    'Gelu',
    'Mish',
    'HardSigmoid',
    'HardSwish',
    'Softplus',
  ],
  ...['Sigmoid', 'Tanh', 'Erf', 'Exp', 'Neg', 'Abs', 'Sqrt', 'Clip', 'Cast', 'Identity', 'Dropout'],
  ...['Add', 'Sub', 'Mul', 'Div', 'Sum', 'Max', 'Min'],
];

/** Operators along one axis, which must be the channels'. */
const alongChannels = ['Concat', 'Split', 'Softmax', 'LogSoftmax'];

/**
 * Reverses the order of a model's three spatial axes: a model that reads [N, C, X, Y, Z] becomes one that
 * reads [N, C, Z, Y, X], which is how a volume with x fastest lies in memory, so that windows need no
 * transposition. Kernels are permuted, and so are their strides, pads and the like; outputs come in the order
 * of the inputs.
 *
 * A model with an operator for which this does not hold (a reshape, say) is returned as it is.
 */
export function permuteAxes(graph: Graph): Graph {
  if (!graph.inputs.every(({ dims }) => dims.length === 5) || !graph.nodes.every(permutes)) return graph;
  for (const node of graph.nodes) {
    const kernel = isOp(node, ...withKernel);
    for (const [index, input] of node.inputs.entries()) {
      const dims = graph.initializers.get(input)?.dims;
      // A constant that differs along spatial axes and is not a kernel.
      if (dims && !(kernel && index === 1) && dims.slice(-3).some((n) => n > 1) && dims.length > 1) {
        if (!isOp(node, 'PRelu') || dims.slice(1).some((n) => n > 1)) return graph;
      }
    }
  }
  const copy = rewriteNodes(graph, (node, into) => {
    if (isOp(node, ...withKernel)) {
      // Under the same name: all that use it are convolutions, or it has one voxel.
      const kernel = graph.initializers.get(node.inputs[1]) as Tensor;
      into.initializers.set(node.inputs[1], reverseKernel(kernel));
    }
    const attributes = Object.fromEntries(
      Object.entries(node.attributes).map(([name, value]): [string, Attribute] => [
        name,
        spatial.includes(name) && Array.isArray(value) ? reversePerAxis(value as number[]) : value,
      ]),
    );
    into.addNode(node.op, node.inputs, attributes, { name: node.name, outputs: node.outputs });
    return true;
  });
  const reverse = <T extends Graph['inputs'][number]>(value: T): T => ({
    ...value,
    dims: [...value.dims.slice(0, 2), ...value.dims.slice(2).reverse()],
  });
  copy.inputs = copy.inputs.map(reverse);
  copy.outputs = copy.outputs.map(reverse);
  return copy;

  function permutes(node: GraphNode): boolean {
    if (isOp(node, ...withKernel)) return graph.initializers.has(node.inputs[1]);
    // The places that a pooling may tell besides its values count in the old order.
    if (node.outputs.length > 1 && !isOp(node, 'Split')) return false;
    return isOp(node, ...symmetric) || (isOp(node, ...alongChannels) && node.attributes['axis'] === 1);
  }
}

function reversePerAxis(values: readonly number[]): number[] {
  const axes = values.length === 6 ? [values.slice(0, 3), values.slice(3)] : [values];
  return axes.flatMap((part) => [...part].reverse());
}

/** [a, b, i, j, k] as [a, b, k, j, i]. */
export function reverseKernel({ type, dims, data }: Tensor): Tensor {
  const [a, b, ni, nj, nk] = dims;
  const out = data.slice();
  const volume = ni * nj * nk;
  for (let start = 0; start < a * b * volume; start += volume) {
    for (let i = 0; i < ni; i++) {
      for (let j = 0; j < nj; j++) {
        for (let k = 0; k < nk; k++) {
          out[start + (k * nj + j) * ni + i] = data[start + (i * nj + j) * nk + k];
        }
      }
    }
  }
  return tensor(type, [a, b, nk, nj, ni], out);
}
