import { isOp } from '../../edit.js';
import {
  blockedGradientFits,
  blockedWeightGradient,
  type PlanePads,
} from '../../gradients/blockedWeightGradient.js';
import { slidingOf } from '../../gradients/sliding.js';
import { isWeightGradient, weightGradientOf } from '../../gradients/weightGradientNode.js';
import { type BlockedConv, blockedConv, blockedConvTransposed } from './convolution.js';
import { laneGradientFits, laneWeightGradient } from './lanes.js';
import type { BlockRule, BlockTask } from './rule.js';

/** Convolutions, transposed ones and gradients of weights. */
export const convolutionRules: Readonly<Record<string, BlockRule>> = {
  Conv: (task) => isOp(task.node, 'Conv') && convolve(task, false),
  ConvTranspose: (task) => isOp(task.node, 'ConvTranspose') && convolve(task, true),
  WeightGradient: ({ node, values }) => {
    if (!isWeightGradient(node)) return false;
    const task = weightGradientOf(node);
    const [output] = node.outputs;
    if (laneGradientFits(values.block, task)) laneWeightGradient(values, task, output);
    else if (values.dims(task.dy) && blockedGradientFits(values.block, task)) {
      const isBlocked = values.has(task.x) && values.dims(task.x);
      const x = isBlocked ? (pads: PlanePads) => values.paddedPlanes(task.x, pads) : undefined;
      if (!x) values.makeWhole(task.x);
      blockedWeightGradient(values.ops, values.block, task, { x, dy: values.blocked(task.dy) }, output);
    } else return false;
    values.noteWhole(output);
    return true;
  },
};

function convolve(task: BlockTask, transposed: boolean): boolean {
  const { node, values } = task;
  const [x, weight, bias] = node.inputs;
  const [output] = node.outputs;
  const [dims, weightDims] = [values.dims(output), values.shapes.get(weight)];
  if (!dims || !weightDims) return false;
  const sliding = slidingOf(node, 3);
  const from = sliding.group === 1 ? values.slices(x) : undefined;
  if (!from) return false;
  const conv: BlockedConv = { from, weight, weightDims, bias: bias || undefined, sliding, dims };
  const name = transposed ? blockedConvTransposed(values, conv) : blockedConv(values, conv);
  if (name) values.note(output, name);
  return name !== undefined;
}
