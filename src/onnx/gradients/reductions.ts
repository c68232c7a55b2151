import { intOf, intsOf } from '../edit.js';
import { range } from '../ops.js';
import { numbersOf, sizeOf } from '../tensor.js';
import { type Dims, fromFront, type GradientRule, type GradientTask } from './rule.js';

/** The size of a reduction's output as if it kept its axes with size 1. */
function keptDims({ node, inputDims, constant }: GradientTask): Dims {
  const x = inputDims[0] as Dims;
  const given = constant(1);
  const axes = given ? numbersOf(given) : intsOf(node, 'axes', []);
  const none = axes.length === 0;
  if (none && intOf(node, 'noop_with_empty_axes', 0)) return x;
  const reduced = new Set(none ? range(x.length) : axes.map((axis) => fromFront(axis, x.length)));
  return x.map((size, axis) => (reduced.has(axis) ? 1 : size));
}

/**
 * ReduceSum, ReduceMean, ReduceSumSquare, ReduceLogSumExp, ReduceMax and ReduceMin. The last two divide the
 * gradient equally among equal extremes.
 */
export const reductionRules: Readonly<Record<string, GradientRule>> = {
  ReduceSum: (task) => [
    task.ops.expand(task.ops.reshape(task.dy, keptDims(task)), task.inputDims[0] as Dims),
  ],
  ReduceMean: (task) => {
    const { ops, dy, inputDims, outputDims } = task;
    const count = sizeOf(inputDims[0] as Dims) / sizeOf(outputDims[0]);
    return [ops.expand(ops.scale(ops.reshape(dy, keptDims(task)), 1 / count), inputDims[0] as Dims)];
  },
  ReduceSumSquare: (task) => {
    const { ops, node, dy } = task;
    return [ops.mul(node.inputs[0], ops.scale(ops.reshape(dy, keptDims(task)), 2))];
  },
  ReduceLogSumExp: (task) => {
    const { ops, node, dy, outputDims } = task;
    const kept = keptDims(task);
    const [y] = node.outputs;
    // Without the reshape, ONNX Runtime finds that a softmax is the same computation.
    const total = outputDims[0].join() === kept.join() ? y : ops.reshape(y, kept);
    const shares = ops.node('Exp', [ops.sub(node.inputs[0], total)]);
    return [ops.mul(shares, ops.reshape(dy, kept))];
  },
  ReduceMax: extreme,
  ReduceMin: extreme,
};

function extreme(task: GradientTask): readonly string[] {
  const { ops, node, dy, inputDims } = task;
  const kept = keptDims(task);
  const x = node.inputs[0];
  const equal = ops.node('Equal', [x, ops.reshape(node.outputs[0], kept)]);
  const hits = ops.where(equal, ops.scalar(1), ops.scalar(0));
  const dims = inputDims[0] as Dims;
  const axes = range(dims.length).filter((axis) => kept[axis] !== dims[axis]);
  const share = axes.length > 0 ? ops.div(hits, ops.sum(hits, axes)) : hits;
  return [ops.mul(share, ops.reshape(dy, kept))];
}
