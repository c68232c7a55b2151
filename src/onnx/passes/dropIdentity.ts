import { constantInput, isOp, producers, prune } from '../edit.js';
import type { Graph, GraphNode } from '../graph.js';
import { numbersOf } from '../tensor.js';

/**
 * Removes nodes that return their input: `Identity`, `Dropout`, which does nothing at inference, and `Pad` of
 * nothing. Exporters leave them between the operators that other passes look for. A node stays if a subgraph
 * uses its value, or if it gives an output of the graph another name for an input, a constant or another
 * output.
 */
export function dropIdentity(graph: Graph): Graph {
  const made = producers(graph);
  const fixed = new Set([
    ...graph.outputs.map(({ name }) => name),
    ...graph.nodes.flatMap(({ captures }) => captures),
  ]);
  const renamed = new Map<string, string>();
  const nameOf = (value: string): string => {
    const next = renamed.get(value);
    return next === undefined ? value : nameOf(next);
  };
  const dropped = new Set<GraphNode>();
  for (const node of graph.nodes) {
    if (!handsOn(graph, node, fixed)) continue;
    const [output] = node.outputs;
    const source = nameOf(node.inputs[0]);
    if (!fixed.has(output)) renamed.set(output, source);
    else if (made.has(source) && !fixed.has(source) && graph.outputs.some(({ name }) => name === output))
      renamed.set(source, output);
    else continue;
    dropped.add(node);
  }
  if (dropped.size === 0) return graph;
  const copy = graph.clone();
  copy.nodes = graph.nodes
    .filter((node) => !dropped.has(node))
    .map((node) => ({ ...node, inputs: node.inputs.map(nameOf), outputs: node.outputs.map(nameOf) }));
  return prune(copy);
}

function handsOn(graph: Graph, node: GraphNode, fixed: ReadonlySet<string>): boolean {
  if (isOp(node, 'Identity')) return true;
  if (isOp(node, 'Pad')) {
    const pads = constantInput(graph, node, 1);
    return pads !== undefined && numbersOf(pads).every((count) => count === 0);
  }
  // Before opset 7, an attribute distinguished training from inference. Since then it is an input, which is
  // false by default.
  if (!isOp(node, 'Dropout') || graph.opset < 7) return false;
  const training = constantInput(graph, node, 2);
  if (node.inputs[2] && (!training || numbersOf(training)[0] !== 0)) return false;
  const mask = node.outputs[1];
  return !mask || !(fixed.has(mask) || graph.nodes.some(({ inputs }) => inputs.includes(mask)));
}
