import { intOf, isOp } from '../../edit.js';
import type { GraphNode } from '../../graph.js';
import { numbersOf, sizeOf } from '../../tensor.js';
import type { BlockedValues } from './blockedValues.js';
import type { BlockRule, BlockTask } from './rule.js';

/** Operators that do the same to every number. */
const unary = [
  'Abs',
  'Celu',
  'Elu',
  'Erf',
  'Exp',
  'HardSigmoid',
  'HardSwish',
  'Identity',
  'LeakyRelu',
  'Log',
  'Neg',
  'Reciprocal',
  'Selu',
  'Sigmoid',
  'Sign',
  'Softplus',
  'Sqrt',
  'Tanh',
];
const several = ['Add', 'Div', 'Greater', 'Max', 'Min', 'Mul', 'Sub', 'Sum', 'Where'];

/** Operators on single numbers, PRelu, and operators that move whole channels. */
export const elementwiseRules: Readonly<Record<string, BlockRule>> = {
  ...Object.fromEntries([...unary, ...several].map((op) => [op, elementwise] as const)),
  PRelu: ({ node, values }) => {
    const [x, slope] = node.inputs;
    const dims = values.dims(x);
    const slopes = dims && values.has(x) && values.channelNumbers(slope, dims);
    if (!slopes || !isOp(node, 'PRelu')) return false;
    const { ops } = values;
    const minus = ops.expand(ops.scalar(-1), [dims[1]]);
    const below = values.scaled(x, { scale: minus, activation: 'Relu' });
    const sum = values.scaled(x, { activation: 'Relu' });
    values.note(node.outputs[0], values.affine(below, dims, { scale: ops.neg(slopes), sum }));
    return true;
  },
  Relu: ({ node, values }) => {
    const [x] = node.inputs;
    if (!isOp(node, 'Relu') || !values.dims(x) || !values.has(x)) return false;
    values.note(node.outputs[0], values.scaled(x, { activation: 'Relu' }));
    return true;
  },
  /** The negative part is minus the positive part of minus x, which a depthwise convolution computes. */
  Min: (task) => {
    const { node, values } = task;
    const [x, zero] = node.inputs;
    const dims = values.dims(x);
    if (!isOp(node, 'Min') || !dims || !values.has(x) || !values.isZero(zero)) return elementwise(task);
    const minus = values.ops.expand(values.ops.scalar(-1), [dims[1]]);
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
  const dims = values.dims(output);
  if (node.domain !== '' || !dims || !node.inputs.some((input) => values.has(input))) return false;
  // Conditions have no form in blocks but the one that they were computed in.
  if (node.op === 'Where' && !values.has(node.inputs[0])) return false;
  const fused = scaledSum(task, dims) ?? gated(task, dims);
  if (fused) {
    values.note(output, fused);
    return true;
  }
  const isSame = (input: string) => values.shapes.get(input)?.join() === dims.join();
  const isScalar = (input: string) => sizeOf(values.shapes.get(input) ?? [0]) === 1;
  if (node.inputs.every((input) => isSame(input) || isScalar(input))) {
    const operands = node.inputs.map((input) => {
      if (isSame(input)) return values.blocked(input);
      return values.shapes.get(input)?.length === 5 ? values.ops.reshape(input, []) : input;
    });
    const name = values.ops.node(node.op, operands, node.attributes);
    values.note(output, name, node.op === 'Greater' ? 'bool' : 'float32');
    return true;
  }
  const scaled = withChannels(node, values, dims);
  if (scaled) values.note(output, scaled);
  return scaled !== undefined;
}

/** `a + b c` or `a - b c` with one number c per channel, as one depthwise convolution. */
function scaledSum({ node, values, producer }: BlockTask, dims: readonly number[]): string | undefined {
  if (!isOp(node, 'Add', 'Sub')) return undefined;
  const [sum, scaled] = node.inputs;
  const product = producer(scaled);
  if (!isOp(product, 'Mul') || !values.has(sum)) return undefined;
  const [x, factors] = product.inputs;
  const numbers = values.has(x) ? values.channelNumbers(factors, dims) : undefined;
  const isPerSlice = values.shapes.get(factors)?.length === 5;
  if (!numbers || isPerSlice || [sum, x].some((name) => values.dims(name)?.join() !== dims.join()))
    return undefined;
  const scale = node.op === 'Add' ? numbers : values.ops.neg(numbers);
  return values.scaled(x, { scale, sum: values.blocked(sum) });
}

/**
 * `dy` where x is positive, else `dy` times one number per channel: the gradient of PRelu. It is a product
 * with factors that depthwise convolutions compute; ONNX Runtime's Where is slow.
 */
function gated({ node, values, producer }: BlockTask, dims: readonly number[]): string | undefined {
  if (!isOp(node, 'Where')) return undefined;
  const [condition, dy, below] = node.inputs;
  const [compared, product] = [condition, below].map(producer);
  if (!isOp(compared, 'Greater') || !isOp(product, 'Mul') || product.inputs[0] !== dy) return undefined;
  const [x, zero] = compared.inputs;
  const slopes = values.channelNumbers(product.inputs[1], dims);
  if (!slopes || !values.isZero(zero) || ![x, dy].every((name) => values.has(name))) return undefined;
  const { ops } = values;
  const above = values.scaled(x, { activation: 'step' });
  const factors = values.affine(above, dims, { scale: ops.sub(ops.scalar(1), slopes), bias: slopes });
  return ops.mul(values.blocked(dy), factors);
}

/** A value in blocks times, plus or minus one number per channel. */
function withChannels(node: GraphNode, values: BlockedValues, dims: readonly number[]): string | undefined {
  if (!isOp(node, 'Add', 'Mul', 'Sub')) return undefined;
  const [first, second] = node.inputs;
  const [x, other] = values.has(first) ? [first, second] : [second, first];
  const numbers = values.channelNumbers(other, dims);
  if (!values.has(x) || values.dims(x)?.join() !== dims.join() || !numbers) return undefined;
  const { ops } = values;
  const perSlice = (values.shapes.get(other) ?? []).length === 5 && values.shapes.get(other)?.[0] !== 1;
  const name = values.blocked(x);
  if (node.op === 'Mul') return values.affine(name, dims, { scale: numbers }, perSlice);
  if (node.op === 'Add') return values.affine(name, dims, { bias: numbers }, perSlice);
  if (x === first) return values.affine(name, dims, { bias: ops.neg(numbers) }, perSlice);
  return values.affine(ops.neg(name), dims, { bias: numbers }, perSlice);
}
