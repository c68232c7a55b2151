import { floatOf, isOp } from '../../edit.js';
import { planeDots, planeMeans } from './planes.js';
import type { BlockRule } from './rule.js';

/** Normalizations by given statistics, and by those of each case. */
export const normalizationRules: Readonly<Record<string, BlockRule>> = {
  BatchNormalization: ({ node, values }) => {
    const [x, scale, bias, mean, variance] = node.inputs;
    const dims = values.dims(x);
    if (!isOp(node, 'BatchNormalization') || !dims || !values.has(x)) return false;
    const { ops } = values;
    const factor = ops.div(scale, ops.sqrt(ops.shift(variance, floatOf(node, 'epsilon', 1e-5))));
    const summand = ops.sub(bias, ops.mul(mean, factor));
    values.noteScaled(node.outputs[0], { name: values.blocked(x), scale: factor, bias: summand });
    return true;
  },
  InstanceNormalization: ({ node, values }) => {
    const [x, scale, bias] = node.inputs;
    const dims = values.dims(x);
    if (!isOp(node, 'InstanceNormalization') || !dims || !values.has(x)) return false;
    const { ops } = values;
    const [, , depth, height, width] = dims;
    const name = values.blocked(x);
    const mean = ops.mean(planeMeans(values, name, dims), [1], false);
    const centred = values.affine(name, dims, { bias: values.perSlice(ops.neg(mean), dims) }, true);
    const squares = ops.sum(planeDots(values, [centred, centred], dims), [1], false);
    const variance = ops.scale(squares, 1 / (depth * height * width));
    const factor = ops.div(scale, ops.sqrt(ops.shift(variance, floatOf(node, 'epsilon', 1e-5))));
    const summand = ops.expand(bias, dims.slice(0, 2));
    const numbers = { scale: values.perSlice(factor, dims), bias: values.perSlice(summand, dims) };
    values.note(node.outputs[0], values.affine(centred, dims, numbers, true));
    return true;
  },
};
