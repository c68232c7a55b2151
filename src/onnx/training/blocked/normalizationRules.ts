import { floatOf, isOp } from '../../edit.js';
import { planeDots, planeMeans } from './planes.js';
import type { BlockRule, BlockTask } from './rule.js';

/** Normalizations by given statistics, and by those of each case. */
export const normalizationRules: Readonly<Record<string, BlockRule>> = {
  BatchNormalization: (task) => {
    const { node, values } = task;
    const [x, scale, bias, mean, variance] = node.inputs;
    if (!isOp(node, 'BatchNormalization') || !values.ready(x)) return false;
    const { ops } = values;
    const factor = ops.div(scale, ops.sqrt(ops.shift(variance, floatOf(node, 'epsilon', 1e-5))));
    const centred = deviations(task);
    const summand = values.isZero(bias) ? undefined : bias;
    if (centred !== undefined && values.has(centred)) {
      values.noteScaled(node.outputs[0], { name: values.blocked(centred), scale: factor, bias: summand });
      return true;
    }
    const shift = ops.mul(mean, factor);
    values.noteScaled(node.outputs[0], {
      name: values.blocked(x),
      scale: factor,
      bias: summand ? ops.sub(summand, shift) : ops.neg(shift),
    });
    return true;
  },
  InstanceNormalization: ({ node, values }) => {
    const [x, scale, bias] = node.inputs;
    const dims = values.shapes.get(x);
    if (!isOp(node, 'InstanceNormalization') || !dims || !values.ready(x)) return false;
    const { ops } = values;
    const [, , depth, height, width] = dims;
    const name = values.blocked(x);
    const mean = ops.mean(planeMeans(values, name, x), [1], false);
    const centred = values.affine(name, x, { bias: ops.neg(mean) }, true);
    const squares = ops.sum(planeDots(values, [centred, centred], x), [1], false);
    const variance = ops.scale(squares, 1 / (depth * height * width));
    const factor = ops.div(scale, ops.sqrt(ops.shift(variance, floatOf(node, 'epsilon', 1e-5))));
    const summand = ops.expand(bias, dims.slice(0, 2));
    values.note(node.outputs[0], values.affine(centred, x, { scale: factor, bias: summand }, true));
    return true;
  },
};

/**
 * The value x - mean(x) that `useBatchStatistics` computes for the variance. What is normalized from it needs
 * no summand, and x is not needed after that.
 */
function deviations({ node, producer }: BlockTask): string | undefined {
  const [x, , , mean, variance] = node.inputs;
  const average = producer(producer(variance)?.inputs[0] ?? '');
  const square = producer(average?.inputs[0] ?? '');
  const difference = producer(square?.inputs[0] ?? '');
  const found =
    isOp(average, 'ReduceMean') &&
    isOp(square, 'Mul') &&
    square.inputs[0] === square.inputs[1] &&
    isOp(difference, 'Sub') &&
    difference.inputs[0] === x &&
    difference.inputs[1] === producer(mean)?.inputs[0];
  return found ? difference.outputs[0] : undefined;
}
