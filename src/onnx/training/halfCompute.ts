import { isOp } from '../edit.js';
import { toFloat16 } from '../float16.js';
import type { Graph } from '../graph.js';
import { type Tensor, tensor, typeNumber } from '../tensor.js';

/** Operators that GPUs have float16 units for. */
const computing = ['Conv', 'ConvTranspose', 'MatMul'];

/** Operators that only move numbers. They work in float16 if their input is float16. */
const moving = ['Reshape', 'Transpose', 'Slice', 'Pad', 'Concat', 'Expand', 'Identity'];

/**
 * Makes the convolutions and matrix products of a training graph compute in float16, and keeps their results
 * in float16 through operators that only move them. All other operators, and the weights themselves, stay
 * float32. PyTorch's automatic mixed precision does the same, but keeps more operators in float16. The graph
 * is changed.
 */
export function halfCompute(graph: Graph): void {
  const half = typeNumber('float16');
  const nodes = graph.nodes;
  graph.nodes = [];
  /** The float16 forms of values, made when they are first needed. */
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
    // `prune` removes it if nothing uses it.
    graph.addNode('Cast', [made], { to: typeNumber('float32') }, { outputs: [output] });
  }
}

function halved(value: Tensor): Tensor {
  return tensor('float16', value.dims, Uint16Array.from(value.data as Float32Array, toFloat16));
}
