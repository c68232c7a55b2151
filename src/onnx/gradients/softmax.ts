import { intOf } from '../edit.js';
import type { GradientRule } from './rule.js';

/** Softmax and LogSoftmax along one axis (opset 13 and newer). */
export const softmaxRules: Readonly<Record<string, GradientRule>> = {
  Softmax: ({ ops, node, dy }) => {
    const y = node.outputs[0];
    const mean = ops.sum(ops.mul(dy, y), [intOf(node, 'axis', -1)]);
    return [ops.mul(y, ops.sub(dy, mean))];
  },
  LogSoftmax: ({ ops, node, dy }) => {
    const softmax = ops.node('Exp', [node.outputs[0]]);
    return [ops.sub(dy, ops.mul(softmax, ops.sum(dy, [intOf(node, 'axis', -1)])))];
  },
};
