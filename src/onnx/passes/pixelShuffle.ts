import { intsOf, rewriteNodes } from '../edit.js';
import type { Graph, GraphNode } from '../graph.js';
import type { Shapes } from '../shapes.js';
import { int64s } from '../tensor.js';

/** The domain of the operators that exist only between passes. */
export const ownDomain = 'voxstream';

/**
 * Adds a `PixelShuffle`: [N, phases * C, ...sizes] to [N, C, ...sizes * factors], where voxel `factor * q + r` of the
 * output is phase r of the input's voxel q, and the last axis' phase varies fastest. No operator of ONNX: passes move it,
 * then `lowerPixelShuffle` or `blockChannels` express it.
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
 * Expresses every `PixelShuffle` in ONNX's operators, as a Reshape, a Transpose and a Reshape: sizes of the windows must
 * be known, the batch may vary.
 */
export function lowerPixelShuffle(graph: Graph, shapes: Shapes): Graph {
  return rewriteNodes(graph, (node, copy) => {
    const dims = shapes.get(node.inputs[0]);
    if (!isPixelShuffle(node) || !dims) return false;
    const factors = intsOf(node, 'factors', []);
    const rank = factors.length;
    const [, channels, ...sizes] = dims;
    const inner = channels / factors.reduce((product, factor) => product * factor, 1);
    const shape = (values: readonly number[]) => copy.addConstant('shape', int64s(values));
    // [N, f0, f1, f2, C, d0, d1, d2] to [N, C, d0, f0, d1, f1, d2, f2].
    const apart = copy.addNode('Reshape', [node.inputs[0], shape([-1, ...factors, inner, ...sizes])]);
    const perm = [0, rank + 1, ...sizes.flatMap((_, i) => [rank + 2 + i, 1 + i])];
    const moved = copy.addNode('Transpose', [apart], { perm });
    copy.addNode(
      'Reshape',
      [moved, shape([-1, inner, ...sizes.map((size, i) => size * factors[i])])],
      {},
      { name: node.name, outputs: node.outputs },
    );
    return true;
  });
}
