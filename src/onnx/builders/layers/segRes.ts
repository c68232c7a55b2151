import { type Act, type Axes, eachAxis, type Norm } from '../config.js';
import type { NetworkBuilder } from '../networkBuilder.js';
import { conv, ones, threes, twos } from './conv.js';
import { add } from './join.js';
import { preActivationBlock } from './preActivationBlock.js';
import { type UpSampleMode, upSample } from './upSample.js';

/** What SegResNetDS and the networks around it are configured with. */
export interface SegResOptions {
  readonly init_filters: number;
  readonly in_channels: number;
  readonly out_channels: number;
  readonly act: Act;
  readonly norm: Norm;
  readonly blocks_down: readonly number[];
  readonly blocks_up?: readonly number[] | null;
  readonly dsdepth: number;
  readonly upsample_mode: UpSampleMode;
  readonly resolution?: readonly number[] | null;
}

/** The factor by which each level halves each axis: 1 or 2. */
type Scales = readonly Axes[];

/**
 * The levels at which each axis is halved, for images whose voxels are longer along some axes than along
 * others: axes of short voxels are halved first, until voxels are about as long along all axes.
 */
function scalesOf({ resolution, blocks_down: levels }: SegResOptions): Scales | undefined {
  if (!resolution) return undefined;
  const longest = Math.max(...resolution);
  const halvings = resolution.map((length) => Math.floor(Math.log2(longest / length)));
  const most = Math.max(...halvings);
  return levels.map((_, level) => eachAxis((axis) => (level >= most || halvings[axis] > level ? 2 : 1)));
}

function kernelOf(scale: Axes): Axes {
  return eachAxis((axis) => (scale[axis] > 1 ? 3 : 1));
}

/** The encoder of SegResNetDS, `NAME.conv_init` and `NAME.layers`. Returns the result of each level. */
export function segResEncoder(
  net: NetworkBuilder,
  name: string,
  input: string,
  options: SegResOptions,
): string[] {
  const { init_filters: filters, blocks_down: levels } = options;
  const scales = scalesOf(options);
  const first = { inputs: options.in_channels, outputs: filters, bias: false };
  const results: string[] = [];
  let x = conv(net, `${name}.conv_init`, input, { ...first, kernel: scales ? kernelOf(scales[0]) : threes });
  for (const [level, count] of levels.entries()) {
    const channels = filters * 2 ** level;
    const scale = scales?.[level] ?? twos;
    const kernel = kernelOf(scale);
    const layer = `${name}.layers.${level}`;
    for (let i = 0; i < count; i++) x = block(net, `${layer}.blocks.${i}`, x, channels, kernel, options);
    results.push(x);
    if (level === levels.length - 1) break;
    const half = { inputs: channels, outputs: 2 * channels, kernel, stride: scale, bias: false };
    x = conv(net, `${layer}.downsample`, x, half);
  }
  return results;
}

/**
 * The decoder of SegResNetDS, `NAME.0`, `NAME.1` and so on, and its last head. Heads for deep supervision are
 * expected and not used.
 *
 * @param levels The results of the encoder's levels.
 */
export function segResDecoder(
  net: NetworkBuilder,
  name: string,
  levels: readonly string[],
  options: SegResOptions,
): string {
  const { init_filters: filters, out_channels: outputs } = options;
  const scales = scalesOf(options);
  const count = levels.length - 1;
  const blocks = options.blocks_up ?? Array<number>(count).fill(1);
  let x = levels[count];
  for (let i = 0; i < count; i++) {
    const level = count - i - 1;
    const channels = filters * 2 ** level;
    const scale = scales?.[level] ?? twos;
    const kernel = kernelOf(scale);
    const doubled = upSample(net, `${name}.${i}.upsample`, x, {
      inputs: 2 * channels,
      outputs: channels,
      mode: options.upsample_mode,
      alignCorners: false,
      factors: scale,
      kernel,
      bias: false,
    });
    x = add(net, doubled, levels[level]);
    for (let j = 0; j < blocks[i]; j++) {
      x = block(net, `${name}.${i}.blocks.${j}`, x, channels, kernel, options);
    }
    if (level > 0 && level < options.dsdepth) {
      net.ignore((known) => known.startsWith(`${name}.${i}.head.`));
    }
  }
  const head = { inputs: filters, outputs, kernel: ones, bias: true };
  return conv(net, `${name}.${Math.max(count - 1, 0)}.head`, x, head);
}

function block(
  net: NetworkBuilder,
  name: string,
  input: string,
  channels: number,
  kernel: Axes,
  { norm, act }: SegResOptions,
): string {
  return preActivationBlock(net, name, input, {
    channels,
    kernel,
    norm,
    act,
    acts: ['act1', 'act2'],
    conv: '',
  });
}
