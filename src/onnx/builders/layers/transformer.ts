import { floats } from '../../tensor.js';
import type { NetworkBuilder } from '../networkBuilder.js';
import { act } from './act.js';

/** `torch.nn.Linear` over the last axis. The graph's constant is the transposed weight: [inputs, outputs]. */
export function linear(
  net: NetworkBuilder,
  name: string,
  input: string,
  { inputs, outputs, bias }: { readonly inputs: number; readonly outputs: number; readonly bias: boolean },
): string {
  const start = { part: 'kernel', fanIn: inputs } as const;
  const weight = net.derived(`${name}.weight`, [outputs, inputs], start, [inputs, outputs], (values) =>
    transposed(values, outputs, inputs),
  );
  const product = net.node(name, 'MatMul', [input, weight]);
  if (!bias) return product;
  const offset = net.parameter(`${name}.bias`, [outputs], { part: 'bias', fanIn: inputs });
  return net.ops.add(product, offset);
}

/** [rows, columns] as [columns, rows]. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      out[column * rows + row] = values[row * columns + column];
  }
  return out;
}

/** `torch.nn.LayerNorm` over the last axis; without a name, one without parameters. */
export function layerNorm(
  net: NetworkBuilder,
  name: string | undefined,
  input: string,
  channels: number,
  eps = 1e-5,
): string {
  const affine = name
    ? [net.parameter(`${name}.weight`, [channels], 1), net.parameter(`${name}.bias`, [channels], 0)]
    : [net.constant(`1s_${channels}`, floats([channels], new Float32Array(channels).fill(1)))];
  const attributes = { axis: -1, epsilon: { float: eps } };
  return net.node(name ?? 'layer_norm', 'LayerNormalization', [input, ...affine], attributes);
}

/** The layer norm of [N, channels, X, Y, Z] over its channels. */
export function channelNorm(
  net: NetworkBuilder,
  name: string | undefined,
  input: string,
  channels: number,
  eps = 1e-5,
): string {
  return channelsFirst(net, layerNorm(net, name, channelsLast(net, input), channels, eps));
}

/** [N, C, X, Y, Z] as [N, X, Y, Z, C]. */
export function channelsLast(net: NetworkBuilder, input: string): string {
  return net.ops.transpose(input, [0, 2, 3, 4, 1]);
}

/** [N, X, Y, Z, C] as [N, C, X, Y, Z]. */
export function channelsFirst(net: NetworkBuilder, input: string): string {
  return net.ops.transpose(input, [0, 4, 1, 2, 3]);
}

/** Two linear layers with a GELU between them. */
export function mlp(
  net: NetworkBuilder,
  input: string,
  options: {
    readonly channels: number;
    readonly hidden: number;
    /** The names of the two layers. */
    readonly names: readonly [string, string];
  },
): string {
  const { channels, hidden, names } = options;
  const wide = linear(net, names[0], input, { inputs: channels, outputs: hidden, bias: true });
  const active = act(net, `${names[0]}.act`, wide, { kind: 'gelu' });
  return linear(net, names[1], active, { inputs: hidden, outputs: channels, bias: true });
}

export interface AttentionOptions {
  readonly tokens: number;
  readonly channels: number;
  readonly heads: number;
  /**
   * What is added to the scores, for instance by position: a value of [1, heads, tokens, tokens]. Default:
   * nothing.
   */
  readonly bias?: string;
  /**
   * The order of the channels of the result: UNesT's has the head fastest. Default: the heads side by side.
   */
  readonly headsFastest?: boolean;
}

/**
 * Self-attention of queries, keys and values [B, tokens, 3 * channels], side by side, each with its heads
 * side by side. The scores are scaled by the square root of the size of a head. Returns [B, tokens,
 * channels].
 *
 * Source: Vaswani et al., "Attention is all you need", 2017.
 */
export function attend(net: NetworkBuilder, qkv: string, options: AttentionOptions): string {
  const { tokens, channels, heads, bias, headsFastest } = options;
  const { ops } = net;
  const size = channels / heads;
  const parts = ['q', 'k', 'v'].map((part) => net.graph.freeName(part));
  net.graph.addNode(
    'Split',
    [qkv, net.ints([channels, channels, channels])],
    { axis: -1 },
    { outputs: parts },
  );
  const [q, k, v] = parts.map((part) => ops.reshape(part, [-1, tokens, heads, size]));
  const queries = ops.transpose(ops.scale(q, size ** -0.5), [0, 2, 1, 3]);
  const products = net.node('scores', 'MatMul', [queries, ops.transpose(k, [0, 2, 3, 1])]);
  const scores = bias === undefined ? products : ops.add(products, bias);
  const weights = net.node('weights', 'Softmax', [scores], { axis: -1 });
  const result = net.node('attention', 'MatMul', [weights, ops.transpose(v, [0, 2, 1, 3])]);
  const joined = ops.transpose(result, headsFastest ? [0, 2, 3, 1] : [0, 2, 1, 3]);
  return ops.reshape(joined, [-1, tokens, channels]);
}
