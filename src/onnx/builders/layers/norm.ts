import { floats, tensor } from '../../tensor.js';
import type { Norm } from '../config.js';
import type { NetworkBuilder } from '../networkBuilder.js';

/**
 * The metadata key of a network whose BatchNormalizations are instance normalizations with running
 * statistics: the same at inference, but not in training.
 */
export const runningInstanceKey = 'voxstream.runningInstanceNorm';

/** A normalization of [N, channels, ...]: parameters and statistics under `NAME`. */
export function norm(net: NetworkBuilder, name: string, input: string, channels: number, kind: Norm): string {
  if (kind.kind === 'group') return groupNorm(net, name, input, channels, kind);
  const epsilon = { float: kind.eps };
  const affine = kind.affine
    ? [net.parameter(`${name}.weight`, [channels], 1), net.parameter(`${name}.bias`, [channels], 0)]
    : unit(net, channels);
  if (!kind.track_running_stats) {
    return net.node(name, 'InstanceNormalization', [input, ...affine], { epsilon });
  }
  if (kind.kind === 'instance') net.graph.metadata[runningInstanceKey] = 'true';
  const counter = `${name}.num_batches_tracked`;
  net.ignore((known) => known === counter, [[counter, tensor('int64', [], BigInt64Array.of(0n))]]);
  const statistics = ['running_mean', 'running_var'].map((part, start) =>
    net.parameter(`${name}.${part}`, [channels], start),
  );
  // PyTorch's momentum is the part that is new, ONNX's the part that stays.
  const momentum = { float: 1 - (kind.momentum ?? 0.1) };
  return net.node(name, 'BatchNormalization', [input, ...affine, ...statistics], { epsilon, momentum });
}

/** Each group of channels is normalized as one channel of an instance normalization. */
function groupNorm(
  net: NetworkBuilder,
  name: string,
  input: string,
  channels: number,
  { num_groups: groups, affine, eps }: Extract<Norm, { kind: 'group' }>,
): string {
  const { graph } = net;
  if (channels % groups !== 0) {
    net.fault(`${name} cannot divide ${channels} channels into ${groups} groups`);
  }
  const epsilon = { float: eps };
  // One channel per group is an instance normalization.
  if (groups === channels) {
    const parts = affine
      ? [net.parameter(`${name}.weight`, [channels], 1), net.parameter(`${name}.bias`, [channels], 0)]
      : unit(net, channels);
    return net.node(name, 'InstanceNormalization', [input, ...parts], { epsilon });
  }
  const apart = graph.addNode('Reshape', [input, net.ints([0, groups, -1])]);
  const normal = graph.addNode('InstanceNormalization', [apart, ...unit(net, groups)], { epsilon });
  const back = net.node(name, 'Reshape', [normal, graph.addNode('Shape', [input])]);
  if (!affine) return back;
  const dims = [channels, 1, 1, 1];
  const scaled = graph.addNode('Mul', [back, net.parameter(`${name}.weight`, [channels], 1, dims)]);
  return graph.addNode('Add', [scaled, net.parameter(`${name}.bias`, [channels], 0, dims)]);
}

/** Scale 1 and offset 0, for a normalization without parameters. */
function unit(net: NetworkBuilder, channels: number): string[] {
  return [1, 0].map((value) =>
    net.constant(`${value}s_${channels}`, floats([channels], new Float32Array(channels).fill(value))),
  );
}
