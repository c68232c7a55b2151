import { isOp } from '../../edit.js';
import { blockedGradientFits, blockedWeightGradient } from '../../gradients/blockedWeightGradient.js';
import { slidingOf } from '../../gradients/sliding.js';
import { isWeightGradient, weightGradientOf } from '../../gradients/weightGradientNode.js';
import { type BlockedConv, blockedConv, blockedConvTransposed } from './convolution.js';
import type { BlockRule, BlockTask } from './rule.js';

/** Convolutions, transposed ones and gradients of weights. */
export const convolutionRules: Readonly<Record<string, BlockRule>> = {
  Conv: (task) => {
    const conv = isOp(task.node, 'Conv') && convOf(task);
    if (!conv) return false;
    task.values.note(task.node.outputs[0], blockedConv(task.values, conv));
    return true;
  },
  ConvTranspose: (task) => {
    const conv = isOp(task.node, 'ConvTranspose') && convOf(task);
    const name = conv && blockedConvTransposed(task.values, conv);
    if (name) task.values.note(task.node.outputs[0], name);
    return name !== undefined && name !== false;
  },
  WeightGradient: ({ node, values }) => {
    if (!isWeightGradient(node)) return false;
    const task = weightGradientOf(node);
    if (!values.dims(task.dy) || !blockedGradientFits(values.block, task)) return false;
    const blocked = values.dims(task.x) && values.has(task.x) ? { x: values.planar(task.x) } : {};
    blockedWeightGradient(
      values.ops,
      values.block,
      task,
      { ...blocked, dy: values.blocked(task.dy) },
      node.outputs[0],
    );
    values.noteWhole(node.outputs[0]);
    return true;
  },
};

function convOf({ node, values }: BlockTask): BlockedConv | undefined {
  const [x, weight, bias] = node.inputs;
  const [output] = node.outputs;
  const [dims, weightDims] = [values.dims(output), values.shapes.get(weight)];
  if (!dims || !weightDims) return undefined;
  const sliding = slidingOf(node, 3);
  const from = sliding.group === 1 ? values.slices(x) : undefined;
  return from && { from, weight, weightDims, bias: bias || undefined, sliding, dims };
}
