import { isOp } from '../edit.js';
import { toFloat16 } from '../float16.js';
import type { Graph } from '../graph.js';
import { type Tensor, tensor, typeNumber } from '../tensor.js';

/** What graphics processors have units for in float16. */
const computing = ['Conv', 'ConvTranspose', 'MatMul'];

/** What moves numbers and computes nothing: done in float16 where they come so. */
const moving = ['Reshape', 'Transpose', 'Slice', 'Pad', 'Concat', 'Expand', 'Identity'];

/**
 * Makes convolutions and matrix products of a training graph compute in float16, and what moves their
 * results; all else, and the weights themselves, stay float32, as in PyTorch's automatic mixed precision. The
 * graph is changed.
 */
export function halfCompute(graph: Graph): void {
  const half = typeNumber('float16');
  const nodes = graph.nodes;
  graph.nodes = [];
  /** The float16 form of values, as far as it was needed. */
  const halves = new Map<string, string>();
  const asHalf = (name: string): string => {
    const known = halves.get(name);
    if (known) return known;
    const constant = graph.initializers.get(name);
    const made = constant
      ? graph.addConstant(`${name}.half`, halved(constant))
      : graph.addNode('Cast', [name], { to: half }, { outputs: [graph.freeName(`${name}.half`)] });
    halves.set(name, made);
    return made;
  };
  for (const node of nodes) {
    const operands = isOp(node, 'Concat') ? node.inputs.length : isOp(node, ...moving) ? 1 : 0;
    const moved = operands > 0 && node.inputs.slice(0, operands).every((name) => halves.has(name));
    const computes = isOp(node, ...computing);
    if (!moved && !computes) {
      graph.nodes.push(node);
      continue;
    }
    const inputs = node.inputs.map((name, i) => (name && (computes || i < operands) ? asHalf(name) : name));
    const [output] = node.outputs;
    const made = graph.freeName(`${output}.half`);
    graph.addNode(node.op, inputs, node.attributes, { outputs: [made] });
    halves.set(output, made);
    // Left out again where nobody needs it.
    graph.addNode('Cast', [made], { to: typeNumber('float32') }, { outputs: [output] });
  }
}

function halved(value: Tensor): Tensor {
  return tensor('float16', value.dims, Uint16Array.from(value.data as Float32Array, toFloat16));
}
