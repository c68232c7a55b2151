import { ModelError } from '../../errors.js';
import { producers } from '../edit.js';
import type { Graph } from '../graph.js';
import { Ops } from '../ops.js';
import { inferShapes } from '../shapes.js';
import { untrainable } from './rule.js';
import { gradientRules } from './rules.js';

/** Which gradients to add. */
export interface GradientRequest {
  /** The size of each of the graph's inputs. */
  readonly inputDims: Readonly<Record<string, readonly number[]>>;
  /**
   * Values to start from, each with the name of its gradient. For a loss, that is a constant 1 of the loss's
   * shape.
   */
  readonly from: Readonly<Record<string, string>>;
  /** Inputs or constants whose gradients are wanted. */
  readonly to: readonly string[];
  /**
   * Writes the gradients of convolutions as `ConvTranspose` and `WeightGradient` nodes, which
   * `lowerConvolutions` must express. Default: false.
   */
  readonly keepConvs?: boolean;
}

/**
 * Adds reverse-mode derivatives to a graph, as standard ONNX operators after its own nodes. The graph is
 * changed. Nodes are visited once, from the last to the first, and all gradients that arrive at a value are
 * added up (Griewank and Walther, "Evaluating Derivatives", 2008, section 3.2). Gradients that nothing uses
 * stay in the graph; `prune` removes them.
 *
 * @returns The name of the gradient of each value in `to`, which has that value's size. Values that have no
 * influence on `from` are missing.
 * @throws ModelError if an operator on the way has no rule, a size cannot be inferred from the inputs' sizes,
 * or the opset is older than 13.
 */
export function addGradients(graph: Graph, request: GradientRequest): Map<string, string> {
  if (graph.opset < 13) {
    throw new ModelError(
      `The graph ${graph.name} is of opset ${graph.opset}, but gradients need 13 or newer. Export the ` +
        'model again.',
    );
  }
  const ops = new Ops(graph);
  const shapes = inferShapes(graph, request.inputDims);
  const made = producers(graph);
  const reaching = reachedFrom(graph, request.to);
  const arriving = new Map(Object.entries(request.from).map(([value, gradient]) => [value, [gradient]]));
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => arriving.has(output) && reaching.has(output))) continue;
    const gradients = node.outputs.map((output) => {
      const parts = arriving.get(output);
      return parts && ops.total(parts);
    });
    const inputDims = node.inputs.map((input) => shapes.get(input));
    const outputDims = node.outputs.map((output) => shapes.get(output) ?? []);
    for (const value of [...node.inputs, node.outputs[0]]) {
      if (value && !shapes.has(value)) throw untrainable(node, `the size of "${value}" is unknown`);
    }
    const rule = node.domain === '' ? gradientRules[node.op] : undefined;
    if (!rule) throw untrainable(node, 'there is no gradient rule for this operator');
    const wanted = (input: number) => reaching.has(node.inputs[input]);
    const results = rule({
      ops,
      node,
      inputDims,
      outputDims,
      gradients,
      dy: gradients[0] ?? ops.expand(ops.scalar(0), outputDims[0]),
      wanted,
      keepConvs: request.keepConvs ?? false,
      constant: (input) => graph.initializers.get(node.inputs[input]),
      producer: (value) => made.get(value),
    });
    for (const [i, input] of node.inputs.entries()) {
      const result = results[i];
      if (!result || !wanted(i)) continue;
      const parts = arriving.get(input);
      if (parts) parts.push(result);
      else arriving.set(input, [result]);
    }
  }
  const found = new Map<string, string>();
  for (const value of request.to) {
    const parts = arriving.get(value);
    if (parts) found.set(value, ops.total(parts));
  }
  return found;
}

/** Names of the values that depend on any of `sources`, including the sources. */
function reachedFrom(graph: Graph, sources: readonly string[]): Set<string> {
  const reached = new Set(sources);
  for (const node of graph.nodes) {
    if (node.inputs.some((input) => reached.has(input)))
      for (const output of node.outputs) reached.add(output);
  }
  return reached;
}
