import type { Act, Axes, Norm } from '../config.js';
import type { NetworkBuilder } from '../networkBuilder.js';
import { act } from './act.js';
import { conv } from './conv.js';
import { add } from './join.js';
import { norm } from './norm.js';

/**
 * The residual block of SegResNet: twice a normalization, an activation and a convolution without bias, plus the input.
 *
 * @param options `conv` is what the names of convolutions end with: `.conv` in SegResNet, nothing in SegResNetDS.
 */
export function preActivationBlock(
  net: NetworkBuilder,
  name: string,
  input: string,
  options: {
    readonly channels: number;
    readonly kernel: Axes;
    readonly norm: Norm;
    readonly act: Act;
    readonly conv: string;
  },
): string {
  const { channels, kernel } = options;
  const layer = { inputs: channels, outputs: channels, kernel, bias: false };
  let x = input;
  for (const part of [1, 2]) {
    x = norm(net, `${name}.norm${part}`, x, channels, options.norm);
    x = act(net, `${name}.act`, x, options.act);
    x = conv(net, `${name}.conv${part}${options.conv}`, x, layer);
  }
  return add(net, x, input);
}
