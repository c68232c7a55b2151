import type { Act, Axes, Norm } from '../config.js';
import type { NetworkBuilder } from '../networkBuilder.js';
import { act } from './act.js';
import { conv } from './conv.js';
import { add } from './join.js';
import { norm } from './norm.js';

/**
 * The residual block of SegResNet: twice a normalization, an activation and a convolution without bias, plus
 * the input.
 *
 * @param options `acts` are the names of the activations, `conv` is what the names of the convolutions end
 * with.
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
    readonly acts: readonly [string, string];
    readonly conv: string;
  },
): string {
  const { channels, kernel } = options;
  const layer = { inputs: channels, outputs: channels, kernel, bias: false };
  let x = input;
  for (const [part, activation] of options.acts.entries()) {
    x = norm(net, `${name}.norm${part + 1}`, x, channels, options.norm);
    x = act(net, `${name}.${activation}`, x, options.act);
    x = conv(net, `${name}.conv${part + 1}${options.conv}`, x, layer);
  }
  return add(net, x, input);
}
