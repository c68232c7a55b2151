import { intsOf, isOp } from '../../edit.js';
import { range } from '../../ops.js';
import { numbersOf, sizeOf } from '../../tensor.js';
import type { BlockedValues } from './blockedValues.js';
import { planeDots, planeMeans } from './planes.js';
import type { BlockRule, BlockTask } from './rule.js';

/** Sums and means over whole volumes. */
export const reductionRules: Readonly<Record<string, BlockRule>> = {
  ReduceMean: reduce,
  ReduceSum: reduce,
};

function reduce({ node, values, producer }: BlockTask): boolean {
  const [x] = node.inputs;
  const [output] = node.outputs;
  const [dims, outputDims] = [values.dims(x), values.shapes.get(output)];
  if (!isOp(node, 'ReduceMean', 'ReduceSum') || !dims || !values.has(x) || !outputDims) return false;
  const constant = values.graph.initializers.get(node.inputs[1] ?? '');
  const given = constant ? numbersOf(constant) : intsOf(node, 'axes', []);
  const axes = given.map((axis) => (axis < 0 ? axis + dims.length : axis));
  if (![2, 3, 4].every((axis) => axes.includes(axis))) return false;
  const { ops } = values;
  const product = producer(x);
  const factors = isOp(product, 'Mul') ? product.inputs : [];
  const isDot = factors.length === 2 && factors.every((factor) => values.has(factor));
  // Planes first, so that few numbers are added up in a row.
  const planes = isDot ? products(values, factors, dims) : planeMeans(values, values.blocked(x), dims);
  const rest = range(3).filter((axis) => axes.includes([0, 2, 1][axis]));
  const sum = ops.sum(planes, rest, false);
  const count = node.op === 'ReduceMean' ? sizeOf(axes.map((axis) => dims[axis])) : 1;
  const factor = (isDot ? 1 : dims[3] * dims[4]) / count;
  ops.node('Reshape', [ops.scale(sum, factor), ops.ints(outputDims)], {}, output);
  values.noteWhole(output);
  return true;
}

/** `planeDots` of two values. Factors of their channels are applied to the sums. */
function products(values: BlockedValues, factors: readonly string[], dims: readonly number[]): string {
  const sources = factors.map((factor) => {
    const source = values.source(factor);
    return source.bias ? { name: values.blocked(factor) } : source;
  });
  const dots = planeDots(
    values,
    sources.map(({ name }) => name),
    dims,
  );
  return sources.reduce((sum, { scale }) => (scale ? values.ops.mul(sum, scale) : sum), dots);
}
