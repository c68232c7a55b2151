import { intsOf, isOp } from '../../edit.js';
import { range } from '../../ops.js';
import { numbersOf, sizeOf } from '../../tensor.js';
import type { BlockedValues } from './blockedValues.js';
import { planeDots, planeMeans } from './planes.js';
import type { BlockRule, BlockTask } from './rule.js';

/** Sums, means and sums of squares over whole volumes. */
export const reductionRules: Readonly<Record<string, BlockRule>> = {
  ReduceMean: reduce,
  ReduceSum: reduce,
  ReduceSumSquare: reduce,
};

function reduce(task: BlockTask): boolean {
  const { node, values } = task;
  const [x] = node.inputs;
  const [output] = node.outputs;
  const [dims, outputDims] = [values.shapes.get(x), values.shapes.get(output)];
  const isKnown = isOp(node, 'ReduceMean', 'ReduceSum', 'ReduceSumSquare') && values.has(x);
  if (!isKnown || !dims || !outputDims) return false;
  const constant = values.graph.initializers.get(node.inputs[1] ?? '');
  const given = constant ? numbersOf(constant) : intsOf(node, 'axes', []);
  const axes = given.map((axis) => (axis < 0 ? axis + dims.length : axis));
  if (![2, 3, 4].every((axis) => axes.includes(axis))) return false;
  const { ops } = values;
  const factors = factorsOf(task);
  const isDot = factors.length === 2;
  // Planes first, so that few numbers are added up in a row.
  const planes = isDot ? products(values, factors) : planeMeans(values, values.blocked(x), x);
  const rest = range(3).filter((axis) => axes.includes([0, 2, 1][axis]));
  const sum = ops.sum(planes, rest, false);
  const count = node.op === 'ReduceMean' ? sizeOf(axes.map((axis) => dims[axis])) : 1;
  const factor = (isDot ? 1 : dims[3] * dims[4]) / count;
  ops.node('Reshape', [ops.scale(sum, factor), ops.ints(outputDims)], {}, output);
  values.noteWhole(output);
  return true;
}

/** The factors of the products that are added up, if they are in blocks. */
function factorsOf({ node, values, producer }: BlockTask): readonly string[] {
  const [x] = node.inputs;
  if (node.op === 'ReduceSumSquare') return [x, x];
  const product = producer(x);
  const isProduct =
    isOp(product, 'Mul') &&
    product.inputs.every((factor) => values.alike(factor, x)) &&
    (product.inputs.every((factor) => values.has(factor)) || values.inVoxels(x));
  return isProduct ? product.inputs : [];
}

/** `planeDots` of two values. Factors of their channels are applied to the sums. */
function products(values: BlockedValues, factors: readonly string[]): string {
  const sources = factors.map((factor) => {
    const source = values.source(factor);
    return source.bias ? { name: values.blocked(factor) } : source;
  });
  const dots = planeDots(
    values,
    sources.map(({ name }) => name),
    factors[0],
  );
  return sources.reduce((sum, { scale }) => (scale ? values.ops.mul(sum, scale) : sum), dots);
}
