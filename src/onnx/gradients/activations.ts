import { floatOf } from '../edit.js';
import type { Ops } from '../ops.js';
import { type Dims, type GradientRule, sumTo } from './rule.js';

/** The rule of an elementwise function y = f(x), given its derivative at x. The derivative may use y. */
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
    // For x <= 0, y = alpha (exp(x) - 1), so the derivative alpha exp(x) is y + alpha.
    const slope = ops.shift(node.outputs[0], floatOf(node, 'alpha', 1));
    return [ops.where(ops.greater(node.inputs[0], ops.scalar(0)), dy, ops.mul(dy, slope))];
  },
  Celu: ({ ops, node, dy }) => {
    // For x <= 0, y = alpha (exp(x / alpha) - 1).
    const alpha = floatOf(node, 'alpha', 1);
    const slope = ops.shift(ops.scale(node.outputs[0], 1 / alpha), 1);
    return [ops.where(ops.greater(node.inputs[0], ops.scalar(0)), dy, ops.mul(dy, slope))];
  },
  Selu: ({ ops, node, dy }) => {
    // For x <= 0, y = gamma alpha (exp(x) - 1).
    const alpha = floatOf(node, 'alpha', 1.6732631921768188);
    const gamma = floatOf(node, 'gamma', 1.0507010221481323);
    const slope = ops.shift(node.outputs[0], gamma * alpha);
    const above = ops.scale(dy, gamma);
    return [ops.where(ops.greater(node.inputs[0], ops.scalar(0)), above, ops.mul(dy, slope))];
  },
  Clip: ({ ops, node, dy }) => {
    const [x, low, high] = node.inputs;
    const zero = ops.scalar(0);
    const above = low ? ops.where(ops.greater(x, low), dy, zero) : dy;
    return [high ? ops.where(ops.greater(high, x), above, zero) : above];
  },
  HardSigmoid: ({ ops, node, dy }) => {
    const y = node.outputs[0];
    const zero = ops.scalar(0);
    const scaled = ops.scale(dy, floatOf(node, 'alpha', 0.2));
    const above = ops.where(ops.greater(y, zero), scaled, zero);
    return [ops.where(ops.greater(ops.scalar(1), y), above, zero)];
  },
  HardSwish: elementwise((ops, x) => {
    // x clip(x / 6 + 1/2, 0, 1): between -3 and 3 the derivative is x / 3 + 1/2, beyond it 0 and 1.
    const line = ops.shift(ops.scale(x, 1 / 3), 0.5);
    const above = ops.where(ops.greater(x, ops.scalar(-3)), line, ops.scalar(0));
    return ops.where(ops.greater(x, ops.scalar(3)), ops.scalar(1), above);
  }),
  Mish: elementwise((ops, x) => {
    // x tanh(softplus(x)).
    const t = ops.node('Tanh', [ops.node('Softplus', [x])]);
    const inner = ops.mul(ops.sub(ops.scalar(1), ops.square(t)), ops.node('Sigmoid', [x]));
    return ops.add(t, ops.mul(x, inner));
  }),
  Sigmoid: elementwise((ops, _x, y) => ops.mul(y, ops.sub(ops.scalar(1), y))),
  Tanh: elementwise((ops, _x, y) => ops.sub(ops.scalar(1), ops.square(y))),
  Softplus: elementwise((ops, x) => ops.node('Sigmoid', [x])),
  Erf: elementwise((ops, x) => ops.scale(ops.node('Exp', [ops.neg(ops.square(x))]), 2 / Math.sqrt(Math.PI))),
  Identity: ({ dy }) => [dy],
};
