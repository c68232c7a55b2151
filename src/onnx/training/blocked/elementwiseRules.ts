import { intOf, isOp } from '../../edit.js';
import type { GraphNode } from '../../graph.js';
import { numbersOf, sizeOf } from '../../tensor.js';
import type { BlockedValues } from './blockedValues.js';
import type { BlockRule, BlockTask } from './rule.js';

/** Operators that do the same to every number; the first ones know no integers. */
const floatOnly = [
  'Celu',
  'Elu',
  'Erf',
  'Exp',
  'HardSigmoid',
  'HardSwish',
  'LeakyRelu',
  'Log',
  'Reciprocal',
  'Selu',
  'Sigmoid',
  'Softplus',
  'Sqrt',
  'Tanh',
];
const unary = [...floatOnly, 'Abs', 'Identity', 'Neg', 'Sign'];
const several = ['Add', 'Div', 'Greater', 'Max', 'Min', 'Mul', 'Sub', 'Sum', 'Where'];

/** Operators on single numbers, PRelu, and operators that move whole channels. */
export const elementwiseRules: Readonly<Record<string, BlockRule>> = {
  ...Object.fromEntries([...unary, ...several].map((op) => [op, elementwise] as const)),
  PRelu: ({ node, values }) => {
    const [x, slope] = node.inputs;
    const slopes = values.ready(x) && values.channelNumbers(slope, x);
    if (!slopes || !isOp(node, 'PRelu')) return false;
    const below = values.scaled(x, { scale: values.uniform(-1, x), activation: 'Relu' });
    const sum = values.scaled(x, { activation: 'Relu' });
    values.note(node.outputs[0], values.affine(below, x, { scale: values.ops.neg(slopes), sum }));
    return true;
  },
  Relu: ({ node, values }) => {
    const [x] = node.inputs;
    if (!isOp(node, 'Relu') || !values.ready(x)) return false;
    values.note(node.outputs[0], values.scaled(x, { activation: 'Relu' }));
    return true;
  },
  /** The negative part is minus the positive part of minus x, which a depthwise convolution computes. */
  Min: (task) => {
    const { node, values } = task;
    const [x, zero] = node.inputs;
    if (!isOp(node, 'Min') || !values.has(x) || !values.isZero(zero)) return elementwise(task);
    const minus = values.uniform(-1, x);
    values.noteScaled(node.outputs[0], {
      name: values.scaled(x, { scale: minus, activation: 'Relu' }),
      scale: minus,
    });
    return true;
  },
  Concat: ({ node, values }) => {
    if (!isOp(node, 'Concat') || intOf(node, 'axis', 0) !== 1) return false;
    if (
      !node.inputs.every((input) => values.dims(input)) ||
      !node.inputs.some((input) => values.has(input))
    ) {
      return false;
    }
    values.note(
      node.outputs[0],
      values.ops.concat(
        node.inputs.map((input) => values.blocked(input)),
        1,
      ),
    );
    return true;
  },
  Slice: ({ node, values }) => {
    const [x, ...bounds] = node.inputs;
    if (!isOp(node, 'Slice') || !values.has(x) || !values.dims(node.outputs[0])) return false;
    const [starts, ends, axes, steps] = bounds.map((name) => {
      const constant = values.graph.initializers.get(name);
      return constant && numbersOf(constant);
    });
    const isPlain = axes?.join() === '1' && (steps?.join() ?? '1') === '1';
    if (!starts || !ends || !isPlain || starts[0] < 0 || starts[0] % values.block !== 0) return false;
    values.note(node.outputs[0], values.ops.slice(values.blocked(x), [1], [starts[0]], [ends[0]]));
    return true;
  },
};

/** Values of one size, scalars, and, for sums and products of two, one number per channel. */
function elementwise(task: BlockTask): boolean {
  const { node, values } = task;
  const [output] = node.outputs;
  if (node.domain !== '' || !values.form(output) || !starts(task)) return false;
  // Conditions have no form in blocks of channels but the one that they were computed in.
  if (node.op === 'Where' && !values.ready(node.inputs[0])) return false;
  const fused = scaledSum(task) ?? gated(task);
  if (fused) {
    values.note(output, fused);
    return true;
  }
  const isScalar = (input: string) => sizeOf(values.shapes.get(input) ?? [0]) === 1;
  if (node.inputs.every((input) => values.alike(input, output) || isScalar(input))) {
    const operands = node.inputs.map((input) => {
      if (values.alike(input, output)) return values.blocked(input);
      return values.shapes.get(input)?.length === 5 ? values.ops.reshape(input, []) : input;
    });
    const name = values.ops.node(node.op, operands, node.attributes);
    values.note(output, name, node.op === 'Greater' ? 'bool' : 'float32');
    return true;
  }
  const scaled = withChannels(node, values);
  if (scaled) values.note(output, scaled);
  return scaled !== undefined;
}

/** Whether a node is computed in blocks: where an input is, or where they cost nothing and it is float32. */
function starts({ node, values }: BlockTask): boolean {
  const [x] = node.inputs;
  return (
    node.inputs.some((input) => values.has(input)) || (floatOnly.includes(node.op) && values.inVoxels(x))
  );
}

/** `a + b c` or `a - b c` with one number c per channel, as one depthwise convolution. */
function scaledSum({ node, values, producer }: BlockTask): string | undefined {
  if (!isOp(node, 'Add', 'Sub')) return undefined;
  const [output] = node.outputs;
  const [sum, scaled] = node.inputs;
  const product = producer(scaled);
  if (!isOp(product, 'Mul') || !values.ready(sum)) return undefined;
  const [x, factors] = product.inputs;
  const numbers = values.ready(x) ? values.channelNumbers(factors, x) : undefined;
  const isPerCase = values.shapes.get(factors)?.length === 5;
  if (!numbers || isPerCase || [sum, x].some((name) => !values.alike(name, output))) return undefined;
  const scale = node.op === 'Add' ? numbers : values.ops.neg(numbers);
  return values.scaled(x, { scale, sum: values.blocked(sum) });
}

/**
 * `dy` where x is positive, else `dy` times one number per channel: the gradient of PRelu. It is a product
 * with factors that depthwise convolutions compute; ONNX Runtime's Where is slow.
 */
function gated({ node, values, producer }: BlockTask): string | undefined {
  if (!isOp(node, 'Where')) return undefined;
  const [condition, dy, below] = node.inputs;
  const [compared, product] = [condition, below].map(producer);
  if (!isOp(compared, 'Greater') || !isOp(product, 'Mul') || product.inputs[0] !== dy) return undefined;
  const [x, zero] = compared.inputs;
  const slopes = values.channelNumbers(product.inputs[1], x);
  if (!slopes || !values.isZero(zero) || ![x, dy].every((name) => values.ready(name))) return undefined;
  const { ops } = values;
  const above = values.scaled(x, { activation: 'step' });
  const factors = values.affine(above, x, { scale: ops.sub(ops.scalar(1), slopes), bias: slopes });
  return ops.mul(values.blocked(dy), factors);
}

/** A value in blocks times, plus or minus one number per channel. */
function withChannels(node: GraphNode, values: BlockedValues): string | undefined {
  if (!isOp(node, 'Add', 'Mul', 'Sub')) return undefined;
  const [output] = node.outputs;
  const [first, second] = node.inputs;
  const [x, other] = values.has(first) ? [first, second] : [second, first];
  const numbers = values.channelNumbers(other, x);
  if (!values.has(x) || !values.alike(x, output) || !numbers) return undefined;
  const { ops } = values;
  const perCase = (values.shapes.get(other) ?? []).length === 5 && values.shapes.get(other)?.[0] !== 1;
  const name = values.blocked(x);
  if (node.op === 'Mul') return values.affine(name, x, { scale: numbers }, perCase);
  if (node.op === 'Add') return values.affine(name, x, { bias: numbers }, perCase);
  if (x === first) return values.affine(name, x, { bias: ops.neg(numbers) }, perCase);
  return values.affine(ops.neg(name), x, { bias: numbers }, perCase);
}
