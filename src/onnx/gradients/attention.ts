import { floatOf, intOf } from '../edit.js';
import { range } from '../ops.js';
import { floats, numbersOf, sizeOf, tensor } from '../tensor.js';
import { type Dims, fromFront, type GradientRule, untrainable } from './rule.js';

/** Operators of transformers: LayerNormalization over the last axis, and Gather of rows of a table. */
export const attentionRules: Readonly<Record<string, GradientRule>> = {
  LayerNormalization: ({ ops, node, dy, inputDims }) => {
    const [x, scale] = node.inputs;
    const dims = inputDims[0] as Dims;
    const rank = dims.length;
    if (fromFront(intOf(node, 'axis', -1), rank) !== rank - 1) {
      throw untrainable(node, 'it must normalize over the last axis alone');
    }
    const epsilon = floatOf(node, 'epsilon', 1e-5);
    const last = [rank - 1];
    const channels = dims[rank - 1];
    const others = range(rank - 1);
    const ones = ops.graph.addConstant('ones', floats([channels], new Float32Array(channels).fill(1)));
    const normalized = ops.node('LayerNormalization', [x, ones], { axis: -1, epsilon: { float: epsilon } });
    const centred = ops.sub(x, ops.mean(x, last));
    const deviation = ops.sqrt(ops.shift(ops.mean(ops.square(centred), last), epsilon));
    const scaled = ops.mul(dy, scale);
    const along = ops.mul(normalized, ops.mean(ops.mul(scaled, normalized), last));
    const dx = ops.div(ops.sub(ops.sub(scaled, ops.mean(scaled, last)), along), deviation);
    return [dx, ops.sum(ops.mul(dy, normalized), others, false), ops.sum(dy, others, false)];
  },
  Gather: ({ ops, node, dy, inputDims, constant }) => {
    const dims = inputDims[0] as Dims;
    const index = constant(1);
    if (intOf(node, 'axis', 0) !== 0 || !index) {
      throw untrainable(node, 'it must take rows of a table at places that are constant');
    }
    const [rows, ...rest] = dims;
    const places = numbersOf(index).map((place) => BigInt(fromFront(place, rows)));
    const at = ops.graph.addConstant('rows', tensor('int64', [places.length, 1], BigInt64Array.from(places)));
    const zeros = ops.graph.addConstant('zeros', floats(dims, new Float32Array(sizeOf(dims))));
    const updates = ops.reshape(dy, [places.length, ...rest]);
    return [ops.node('ScatterND', [zeros, at, updates], { reduction: 'add' }), undefined];
  },
};
