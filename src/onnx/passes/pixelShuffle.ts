import { intsOf, rewriteNodes } from '../edit.js';
import type { Graph, GraphNode } from '../graph.js';
import type { Shapes } from '../shapes.js';
import { int64s } from '../tensor.js';

/** The domain of the operators that exist only between passes. */
export const ownDomain = 'voxstream';

/**
 * Adds a `PixelShuffle`: [N, phases * C, ...sizes] to [N, C, ...sizes * factors], where voxel `factor * q +
 * r` of the output is phase r of the input's voxel q, and the last axis' phase varies fastest. No operator of
 * ONNX: passes move it, then `lowerPixelShuffle` or `blockChannels` express it.
 */
export function addPixelShuffle(
  graph: Graph,
  input: string,
  factors: readonly number[],
  output: string,
): string {
  return graph.addNode('PixelShuffle', [input], { factors }, { domain: ownDomain, outputs: [output] });
}

export function isPixelShuffle(node: GraphNode): boolean {
  return node.op === 'PixelShuffle' && node.domain === ownDomain;
}

/**
 * Expresses every `PixelShuffle` in ONNX's operators, as a Reshape, a Transpose and a Reshape. The batch may
 * vary; sizes that are not in `shapes` are computed when the model runs.
 */
export function lowerPixelShuffle(graph: Graph, shapes: Shapes): Graph {
  return rewriteNodes(graph, (node, copy) => {
    if (!isPixelShuffle(node)) return false;
    const [input] = node.inputs;
    const factors = intsOf(node, 'factors', []);
    const rank = factors.length;
    const sizes = shapes.get(input)?.slice(2);
    const ints = (values: readonly number[]) => copy.addConstant('shape', int64s(values));
    const join = (...parts: readonly string[]) => copy.addNode('Concat', parts, { axis: 0 });
    let apart: string;
    let joined: string;
    // 0 keeps the batch, and the channels follow from the rest.
    if (sizes) {
      apart = ints([0, ...factors, -1, ...sizes]);
      joined = ints([0, -1, ...sizes.map((size, i) => size * factors[i])]);
    } else {
      const all = copy.addNode('Shape', [input]);
      const last = copy.addNode('Slice', [all, ints([2]), ints([rank + 2]), ints([0])]);
      apart = join(ints([0, ...factors, -1]), last);
      joined = join(ints([0, -1]), copy.addNode('Mul', [last, ints(factors)]));
    }
    // [N, f0, f1, f2, C, d0, d1, d2] to [N, C, d0, f0, d1, f1, d2, f2].
    const split = copy.addNode('Reshape', [input, apart]);
    const perm = [0, rank + 1, ...factors.flatMap((_, i) => [rank + 2 + i, 1 + i])];
    const moved = copy.addNode('Transpose', [split], { perm });
    copy.addNode('Reshape', [moved, joined], {}, { name: node.name, outputs: node.outputs });
    return true;
  });
}
