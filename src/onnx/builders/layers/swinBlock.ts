import type { Axes } from '../config.js';
import type { NetworkBuilder } from '../networkBuilder.js';
import { add } from './join.js';
import { attend, layerNorm, linear, mlp } from './transformer.js';
import { attendByKind, join, partition, relativeBias, windowsOf } from './windows.js';

/** A transformer block on [N, X, Y, Z, channels]: attention in windows, and two linear layers. */
export function swinBlock(
  net: NetworkBuilder,
  name: string,
  input: string,
  config: { readonly window_size: Axes; readonly qkv_bias: boolean; readonly mlp_ratio: number },
  options: {
    readonly channels: number;
    readonly heads: number;
    readonly sizes: Axes;
    readonly shifted: boolean;
  },
): string {
  const { channels, heads, sizes, shifted } = options;
  const windows = windowsOf(sizes, config.window_size, shifted);
  const tokens = windows.window[0] * windows.window[1] * windows.window[2];
  const place = { window: config.window_size, tokens, heads };
  const bias = relativeBias(net, `${name}.attn.relative_position_bias_table`, place);

  const normal = layerNorm(net, `${name}.norm1`, input, channels);
  const parts = partition(net, normal, sizes, channels, windows);
  const width = 3 * channels;
  const qkv = linear(net, `${name}.attn.qkv`, parts, {
    inputs: channels,
    outputs: width,
    bias: config.qkv_bias,
  });
  const result = attendByKind(net, qkv, { windows, width, channels, bias }, (x, added) =>
    attend(net, x, { tokens, channels, heads, bias: added }),
  );
  const out = { inputs: channels, outputs: channels, bias: true };
  const projected = linear(net, `${name}.attn.proj`, result, out);
  const x = add(net, input, join(net, projected, sizes, channels, windows));
  const names = [`${name}.mlp.linear1`, `${name}.mlp.linear2`] as const;
  const hidden = Math.floor(channels * config.mlp_ratio);
  return add(net, x, mlp(net, layerNorm(net, `${name}.norm2`, x, channels), { channels, hidden, names }));
}
