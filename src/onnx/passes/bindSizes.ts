import { constantInput, intOf, isOp, prune } from '../edit.js';
import type { Graph, GraphNode } from '../graph.js';
import { inferShapes, type Shapes } from '../shapes.js';
import { int64s, numbersOf, type Tensor, tensor, typeNumber } from '../tensor.js';

/**
 * Fixes the sizes of a graph's inputs, and computes all that a graph computes from sizes alone (`Shape` and
 * whole-number arithmetic on it), so that reshapes, pads and the like have constants. The graph is changed no
 * further.
 *
 * @param inputDims The size of each input, by name.
 */
export function bindSizes(graph: Graph, inputDims: Readonly<Record<string, readonly number[]>>): Graph {
  const bound = graph.clone();
  bound.inputs = bound.inputs.map((input) => ({ ...input, dims: inputDims[input.name] ?? input.dims }));
  // What a size is computed from is known before what is reshaped by it, so each round gets further.
  for (;;) {
    const shapes = inferShapes(bound, inputDims);
    const left: GraphNode[] = [];
    for (const node of bound.nodes) {
      const value = computed(bound, node, shapes);
      if (value) bound.initializers.set(node.outputs[0], value);
      else left.push(node);
    }
    const done = left.length === bound.nodes.length;
    bound.nodes = left;
    if (done) return prune(bound);
  }
}

/** What a node makes of sizes, if it makes anything of sizes alone. */
function computed(graph: Graph, node: GraphNode, shapes: Shapes): Tensor | undefined {
  if (isOp(node, 'Shape')) {
    const dims = shapes.get(node.inputs[0]);
    return dims && int64s(dims.slice(intOf(node, 'start', 0), intOf(node, 'end', dims.length)));
  }
  const inputs = node.inputs.map((_, i) => constantInput(graph, node, i));
  if (!inputs.every((input) => input?.type === 'int64')) return undefined;
  const [a, b] = inputs.map((input) => numbersOf(input as Tensor));
  const dims = (inputs[0] as Tensor | undefined)?.dims ?? [];
  if (isOp(node, ...Object.keys(arithmetic)) && (a.length === b.length || a.length === 1 || b.length === 1)) {
    const length = Math.max(a.length, b.length);
    const values = Array.from({ length }, (_, i) =>
      arithmetic[node.op](a[a.length === 1 ? 0 : i], b[b.length === 1 ? 0 : i]),
    );
    const scalar = dims.length === 0 && (inputs[1] as Tensor).dims.length === 0;
    return scalar ? { ...int64s(values), dims: [] } : int64s(values);
  }
  if (isOp(node, 'Concat') && dims.length === 1) {
    return int64s(inputs.flatMap((input) => numbersOf(input as Tensor)));
  }
  if (isOp(node, 'Gather') && dims.length === 1) {
    const picked = b.map((index) => a[index < 0 ? index + a.length : index]);
    return tensor('int64', (inputs[1] as Tensor).dims, BigInt64Array.from(picked, BigInt));
  }
  if (
    isOp(node, 'Slice') &&
    dims.length === 1 &&
    (inputs.length < 5 || numbersOf(inputs[4] as Tensor)[0] === 1)
  ) {
    return int64s(a.slice(b[0], numbersOf(inputs[2] as Tensor)[0]));
  }
  if (isOp(node, 'Unsqueeze') && dims.length === 0) return int64s(a);
  if (isOp(node, 'Squeeze') && a.length === 1) return { ...int64s(a), dims: [] };
  if (isOp(node, 'Cast') && intOf(node, 'to', 0) === typeNumber('int64')) {
    return inputs[0];
  }
  return undefined;
}

const arithmetic: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => Math.trunc(a / b),
};
