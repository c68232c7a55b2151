import { ModelError } from '../../errors.js';
import { constantInput, floatOf, isOp } from '../edit.js';
import { axesButChannels, variance } from '../gradients/normalization.js';
import type { Graph } from '../graph.js';
import { Ops } from '../ops.js';
import type { Shapes } from '../shapes.js';
import { sizeOf } from '../tensor.js';

/** A running statistic of a batch normalization. */
export interface RunningStatistic {
  /** The constant that holds it. */
  readonly name: string;
  /** The value that holds it after the step. */
  readonly next: string;
}

/**
 * Makes every BatchNormalization of a graph normalize by the statistics of its own batch, as in training: the
 * mean and the (biased) variance over all axes except the channel axis, written as reductions. The graph is
 * changed.
 *
 * @returns The next values of the running statistics: `momentum * running + (1 - momentum) * batch`, with
 * ONNX's `momentum` (default 0.9; PyTorch's 0.1 counts the other way) and the unbiased variance, as in
 * PyTorch.
 * @throws ModelError if statistics are not constants of the graph, or the size of a node's input is unknown.
 */
export function useBatchStatistics(graph: Graph, shapes: Shapes): RunningStatistic[] {
  const ops = new Ops(graph);
  const running: RunningStatistic[] = [];
  const nodes = graph.nodes;
  graph.nodes = [];
  for (const node of nodes) {
    if (!isOp(node, 'BatchNormalization')) {
      graph.nodes.push(node);
      continue;
    }
    const [x, , , ...statistics] = node.inputs;
    const dims = shapes.get(x);
    if (!dims || !constantInput(graph, node, 3) || !constantInput(graph, node, 4)) {
      throw new ModelError(
        `The node ${node.name} (BatchNormalization) cannot be trained: the size of its input must be ` +
          'known, and its running mean and variance must be constants of the model.',
      );
    }
    const axes = axesButChannels(dims);
    const mean = ops.mean(x, axes);
    const biased = ops.reshape(variance(ops, x, mean, axes), [dims[1]]);
    const flatMean = ops.reshape(mean, [dims[1]]);
    const count = sizeOf(dims) / dims[1];
    const momentum = floatOf(node, 'momentum', 0.9);
    const updated = [flatMean, ops.scale(biased, count / Math.max(count - 1, 1))].map((value, i) =>
      ops.add(ops.scale(statistics[i], momentum), ops.scale(value, 1 - momentum)),
    );
    running.push(...statistics.map((name, i) => ({ name, next: updated[i] })));
    graph.nodes.push({ ...node, inputs: [...node.inputs.slice(0, 3), flatMean, biased] });
  }
  return running;
}
