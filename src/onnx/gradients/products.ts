import { range } from '../ops.js';
import { type Dims, type GradientRule, sumTo } from './rule.js';

/** MatMul of vectors, matrices, and stacks of matrices with broadcast batch axes. */
export const productRules: Readonly<Record<string, GradientRule>> = {
  MatMul: ({ ops, node, dy, inputDims, outputDims }) => {
    const dims = inputDims as readonly Dims[];
    const turned = ([name, { length }]: readonly [string, Dims]) =>
      ops.transpose(name, [...range(length - 2), length - 1, length - 2]);
    // A vector counts as a matrix of one row (first operand) or one column (second); the output has no such
    // axis.
    const matrixDims = [
      dims[0].length === 1 ? [1, ...dims[0]] : dims[0],
      dims[1].length === 1 ? [...dims[1], 1] : dims[1],
    ];
    const [a, b] = node.inputs.map((name, i) =>
      dims[i].length === 1 ? ops.reshape(name, matrixDims[i]) : name,
    );
    const rows = matrixDims[0][matrixDims[0].length - 2];
    const columns = matrixDims[1][matrixDims[1].length - 1];
    const batch = outputDims[0].slice(
      0,
      outputDims[0].length - dims.filter(({ length }) => length > 1).length,
    );
    const wholeDims = [...batch, rows, columns];
    const whole = wholeDims.length === outputDims[0].length ? dy : ops.reshape(dy, wholeDims);
    const inner = matrixDims[0][matrixDims[0].length - 1];
    const da = ops.node('MatMul', [whole, turned([b, matrixDims[1]])]);
    const db = ops.node('MatMul', [turned([a, matrixDims[0]]), whole]);
    const inSizes = (gradient: string, from: Dims, i: number) => {
      const summed = sumTo(ops, gradient, from, matrixDims[i]);
      return dims[i].length === 1 ? ops.reshape(summed, dims[i]) : summed;
    };
    return [inSizes(da, [...batch, rows, inner], 0), inSizes(db, [...batch, inner, columns], 1)];
  },
};
