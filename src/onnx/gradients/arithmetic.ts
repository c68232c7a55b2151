import type { Ops } from '../ops.js';
import { type Dims, type GradientRule, type GradientTask, sumTo } from './rule.js';

/** The rule of an operator of two broadcast operands, given the gradients of both in the output's size. */
function binary(
  derive: (ops: Ops, dy: string, a: string, b: string, y: string) => readonly [() => string, () => string],
): GradientRule {
  return ({ ops, node, dy, inputDims, outputDims, wanted }: GradientTask) => {
    const [a, b] = node.inputs;
    const both = derive(ops, dy, a, b, node.outputs[0]);
    return both.map((gradient, i) =>
      wanted(i) ? sumTo(ops, gradient(), outputDims[0], inputDims[i] as Dims) : undefined,
    );
  };
}

const sumRule: GradientRule = ({ ops, dy, inputDims, outputDims, wanted }) =>
  inputDims.map((dims, i) => (wanted(i) ? sumTo(ops, dy, outputDims[0], dims as Dims) : undefined));

/** Add, Sub, Mul, Div, Pow with a constant exponent, Sum, Where and functions of one value. */
export const arithmeticRules: Readonly<Record<string, GradientRule>> = {
  Add: sumRule,
  Sum: sumRule,
  Sub: binary((ops, dy) => [() => dy, () => ops.neg(dy)]),
  Mul: binary((ops, dy, a, b) => [() => ops.mul(dy, b), () => ops.mul(dy, a)]),
  Div: binary((ops, dy, _a, b, y) => [() => ops.div(dy, b), () => ops.neg(ops.div(ops.mul(dy, y), b))]),
  Pow: ({ ops, node, dy, inputDims, outputDims }) => {
    const [base, exponent] = node.inputs;
    const slope = ops.mul(exponent, ops.node('Pow', [base, ops.shift(exponent, -1)]));
    return [sumTo(ops, ops.mul(dy, slope), outputDims[0], inputDims[0] as Dims)];
  },
  Where: ({ ops, node, dy, inputDims, outputDims, wanted }) => {
    const [condition] = node.inputs;
    const [yes, no] = [1, 2].map((i) => {
      if (!wanted(i)) return undefined;
      const zero = ops.scalar(0);
      const masked = i === 1 ? ops.where(condition, dy, zero) : ops.where(condition, zero, dy);
      return sumTo(ops, masked, outputDims[0], inputDims[i] as Dims);
    });
    return [undefined, yes, no];
  },
  Neg: ({ ops, dy }) => [ops.neg(dy)],
  Abs: ({ ops, node, dy }) => [ops.mul(dy, ops.node('Sign', [node.inputs[0]]))],
  Sqrt: ({ ops, node, dy }) => [ops.scale(ops.div(dy, node.outputs[0]), 0.5)],
  Reciprocal: ({ ops, node, dy }) => [ops.neg(ops.mul(dy, ops.square(node.outputs[0])))],
  Exp: ({ ops, node, dy }) => [ops.mul(dy, node.outputs[0])],
  Log: ({ ops, node, dy }) => [ops.div(dy, node.inputs[0])],
};
