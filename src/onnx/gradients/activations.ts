import { floatOf } from '../edit.js';
import type { Ops } from '../ops.js';
import { type Dims, type GradientRule, sumTo } from './rule.js';

/** A rule for y = f(x), elementwise, from the derivative at x, where y is known as well. */
function elementwise(slope: (ops: Ops, x: string, y: string) => string): GradientRule {
  return ({ ops, node, dy }) => [ops.mul(dy, slope(ops, node.inputs[0], node.outputs[0]))];
}

/** Activations. At a kink the derivative is that of the negative side, as in PyTorch. */
export const activationRules: Readonly<Record<string, GradientRule>> = {
  Relu: ({ ops, node, dy }) => {
    const zero = ops.scalar(0);
    return [ops.where(ops.greater(node.outputs[0], zero), dy, zero)];
  },
  LeakyRelu: ({ ops, node, dy }) => {
    const slope = floatOf(node, 'alpha', 0.01);
    return [ops.where(ops.greater(node.inputs[0], ops.scalar(0)), dy, ops.scale(dy, slope))];
  },
  PRelu: ({ ops, node, dy, inputDims, outputDims }) => {
    const [x, slope] = node.inputs;
    const zero = ops.scalar(0);
    const dx = ops.where(ops.greater(x, zero), dy, ops.mul(dy, slope));
    const below = ops.mul(dy, ops.node('Min', [x, zero]));
    return [dx, sumTo(ops, below, outputDims[0], inputDims[1] as Dims)];
  },
  Elu: ({ ops, node, dy }) => {
    // For x <= 0, y = alpha (exp(x) - 1), so that the derivative alpha exp(x) is y + alpha.
    const slope = ops.shift(node.outputs[0], floatOf(node, 'alpha', 1));
    return [ops.where(ops.greater(node.inputs[0], ops.scalar(0)), dy, ops.mul(dy, slope))];
  },
  Sigmoid: elementwise((ops, _x, y) => ops.mul(y, ops.sub(ops.scalar(1), y))),
  Tanh: elementwise((ops, _x, y) => ops.sub(ops.scalar(1), ops.square(y))),
  Softplus: elementwise((ops, x) => ops.node('Sigmoid', [x])),
  Erf: elementwise((ops, x) => ops.scale(ops.node('Exp', [ops.neg(ops.square(x))]), 2 / Math.sqrt(Math.PI))),
  Identity: ({ dy }) => [dy],
};
