import type { Attribute, Graph, GraphNode } from './graph.js';
import type { Tensor } from './tensor.js';

/** A whole number of an attribute. */
export function intOf(node: GraphNode, name: string, missing: number): number {
  const value = node.attributes[name];
  return typeof value === 'number' ? value : missing;
}

/** A list of whole numbers, or `missing`. */
export function intsOf<Missing>(
  node: GraphNode,
  name: string,
  missing: Missing,
): readonly number[] | Missing {
  const value = node.attributes[name];
  return Array.isArray(value) ? (value as readonly number[]) : missing;
}

/** A float of an attribute. */
export function floatOf(node: GraphNode, name: string, missing: number): number {
  const value: Attribute | undefined = node.attributes[name];
  return typeof value === 'object' && 'float' in value ? value.float : missing;
}

/** A text of an attribute. */
export function textOf(node: GraphNode, name: string, missing: string): string {
  const value = node.attributes[name];
  return typeof value === 'string' ? value : missing;
}

/** Whether a node is one of ONNX's own operators of these names. */
export function isOp(node: GraphNode, ...ops: readonly string[]): boolean;
export function isOp(node: GraphNode | undefined, ...ops: readonly string[]): node is GraphNode;
export function isOp(node: GraphNode | undefined, ...ops: readonly string[]): boolean {
  return node !== undefined && node.domain === '' && ops.includes(node.op);
}

/** The constant that is a node's input, or undefined when there is none or it is computed. */
export function constantInput(graph: Graph, node: GraphNode, index: number): Tensor | undefined {
  return graph.initializers.get(node.inputs[index] ?? '');
}

/** Weight and bias of a convolution. */
export interface ConvConstants {
  readonly weight: Tensor;
  readonly bias?: Tensor;
}

/**
 * The weight and bias of a node that is one of ONNX's own convolutions `op`, where they are float32
 * constants; else undefined.
 */
export function convConstants(
  graph: Graph,
  node: GraphNode | undefined,
  op: 'Conv' | 'ConvTranspose',
): ConvConstants | undefined {
  if (!isOp(node, op)) return undefined;
  const weight = constantInput(graph, node, 1);
  const bias = constantInput(graph, node, 2);
  if (weight?.type !== 'float32' || (node.inputs[2] && bias?.type !== 'float32')) return undefined;
  return { weight, bias };
}

/** The node that makes each value. */
export function producers(graph: Graph): Map<string, GraphNode> {
  const made = new Map<string, GraphNode>();
  for (const node of graph.nodes) for (const output of node.outputs) made.set(output, node);
  return made;
}

/** The nodes that use each value, once per use; a use by a subgraph counts. */
export function consumers(graph: Graph): Map<string, GraphNode[]> {
  const uses = new Map<string, GraphNode[]>();
  for (const node of graph.nodes) {
    for (const name of [...node.inputs, ...node.captures]) {
      const known = uses.get(name);
      if (known) known.push(node);
      else uses.set(name, [node]);
    }
  }
  return uses;
}

/**
 * The only node that uses a value, or undefined when there are none or several, or when the value is an
 * output of the graph: only such a value can be changed without anybody else seeing it.
 */
export function onlyConsumer(
  graph: Graph,
  uses: ReadonlyMap<string, readonly GraphNode[]>,
  value: string,
): GraphNode | undefined {
  if (graph.outputs.some(({ name }) => name === value)) return undefined;
  const nodes = uses.get(value);
  return nodes?.length === 1 ? nodes[0] : undefined;
}

/**
 * A copy of a graph in which `visit` has seen every node in order. It returns true when it put other nodes
 * (with `addNode` on the copy, the outputs named as before) in the node's place; otherwise the node stays.
 * The graph itself when no node was replaced.
 */
export function rewriteNodes(graph: Graph, visit: (node: GraphNode, copy: Graph) => boolean): Graph {
  const copy = graph.clone();
  const nodes = copy.nodes;
  let changed = false;
  copy.nodes = [];
  for (const node of nodes) {
    if (visit(node, copy)) changed = true;
    else copy.nodes.push(node);
  }
  return changed ? prune(copy) : graph;
}

/** A copy without the nodes and constants that no output needs. */
export function prune(graph: Graph): Graph {
  const copy = graph.clone();
  const needed = new Set(copy.outputs.map(({ name }) => name));
  copy.nodes = copy.nodes
    .reverse()
    .filter((node) => {
      if (!node.outputs.some((output) => needed.has(output))) return false;
      for (const name of [...node.inputs, ...node.captures]) needed.add(name);
      return true;
    })
    .reverse();
  for (const name of copy.initializers.keys()) if (!needed.has(name)) copy.initializers.delete(name);
  copy.declared = copy.declared.filter(({ name }) => needed.has(name));
  return copy;
}
