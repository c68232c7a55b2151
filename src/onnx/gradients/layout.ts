import { intOf, intsOf, textOf } from '../edit.js';
import { range } from '../ops.js';
import { numbersOf } from '../tensor.js';
import { repeatingPad } from './resampling.js';
import { type Dims, fromFront, type GradientRule, type GradientTask, sumTo, untrainable } from './rule.js';

/** The gradient in the shape of the first input, for operators that only change the shape. */
const reshapeBack: GradientRule = ({ ops, dy, inputDims }) => [ops.reshape(dy, inputDims[0] as Dims)];

/** The numbers of an input that must be a constant. */
function numbers(task: GradientTask, input: number): number[] {
  const value = task.constant(input);
  if (value) return numbersOf(value);
  throw untrainable(task.node, `its input ${task.node.inputs[input]} must be a constant`);
}

/**
 * Operators that move voxels without computing: Concat, Split, Slice, Pad, Reshape, Transpose, DepthToSpace
 * and others.
 */
export const layoutRules: Readonly<Record<string, GradientRule>> = {
  Reshape: reshapeBack,
  Flatten: reshapeBack,
  Squeeze: reshapeBack,
  Unsqueeze: reshapeBack,
  Expand: ({ ops, dy, inputDims, outputDims }) => [sumTo(ops, dy, outputDims[0], inputDims[0] as Dims)],
  Transpose: ({ ops, node, dy, outputDims }) => {
    const rank = outputDims[0].length;
    const perm = intsOf(node, 'perm', range(rank).reverse());
    return [
      ops.transpose(
        dy,
        range(rank).map((axis) => perm.indexOf(axis)),
      ),
    ];
  },
  DepthToSpace: ({ ops, node, dy, inputDims }) => {
    const [n, channels, height, width] = inputDims[0] as Dims;
    const block = intOf(node, 'blocksize', 1);
    const inner = channels / block ** 2;
    const apart = ops.reshape(dy, [n, inner, height, block, width, block]);
    const order = textOf(node, 'mode', 'DCR') === 'DCR' ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4];
    return [ops.reshape(ops.transpose(apart, order), [n, channels, height, width])];
  },
  Concat: ({ ops, node, dy, inputDims, outputDims, wanted }) => {
    const axis = fromFront(intOf(node, 'axis', 0), outputDims[0].length);
    let start = 0;
    return inputDims.map((dims, i) => {
      const end = start + (dims as Dims)[axis];
      const part = wanted(i) ? ops.slice(dy, [axis], [start], [end]) : undefined;
      start = end;
      return part;
    });
  },
  Split: ({ ops, node, gradients, inputDims, outputDims }) => {
    const axis = fromFront(intOf(node, 'axis', 0), (inputDims[0] as Dims).length);
    const parts = gradients.map((gradient, i) => gradient ?? ops.expand(ops.scalar(0), outputDims[i]));
    return [ops.concat(parts, axis)];
  },
  Pad: (task) => {
    const { ops, node, dy, inputDims } = task;
    const x = inputDims[0] as Dims;
    if (node.inputs[3]) {
      throw untrainable(node, 'it must give pads for all axes');
    }
    const pads = numbers(task, 1);
    const mode = textOf(node, 'mode', 'constant');
    if (mode !== 'constant') return [repeatingPad(task, pads, mode)];
    // A negative pad cuts voxels off, so their gradient is zero.
    const kept = ops.slice(
      dy,
      range(x.length),
      x.map((_, axis) => Math.max(pads[axis], 0)),
      x.map((size, axis) => pads[axis] + size + Math.min(pads[axis + x.length], 0)),
    );
    return [
      ops.pad(kept, [
        ...x.map((_, axis) => Math.max(-pads[axis], 0)),
        ...x.map((_, axis) => Math.max(-pads[axis + x.length], 0)),
      ]),
    ];
  },
  Slice: (task) => {
    const { ops, node, inputDims, outputDims } = task;
    const x = inputDims[0] as Dims;
    const starts = numbers(task, 1);
    const axes = node.inputs[3] ? numbers(task, 3) : range(starts.length);
    const steps = node.inputs[4] ? numbers(task, 4) : starts.map(() => 1);
    if (steps.some((step) => step < 1)) {
      throw untrainable(node, 'its steps must be positive');
    }
    let dy = task.dy;
    const shape = [...outputDims[0]];
    const before = x.map(() => 0);
    for (const [i, given] of axes.entries()) {
      const axis = fromFront(given, x.length);
      before[axis] = Math.min(Math.max(starts[i] < 0 ? starts[i] + x[axis] : starts[i], 0), x[axis]);
      if (steps[i] === 1) continue;
      // Zeros between the voxels that were taken: a new axis after this one is padded and merged into it.
      const split = [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)];
      const zeros = split.map((_, place) => (place === axis + 1 ? steps[i] - 1 : 0));
      shape[axis] *= steps[i];
      dy = ops.reshape(ops.pad(ops.reshape(dy, split), [...split.map(() => 0), ...zeros]), shape);
    }
    const after = x.map((size, axis) => size - before[axis] - shape[axis]);
    return [ops.pad(dy, [...before, ...after])];
  },
};
