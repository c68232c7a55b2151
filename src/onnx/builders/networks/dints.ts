import { z } from 'zod';
import {
  type Act,
  type Axes,
  actOption,
  channelCount,
  inChannels,
  type Norm,
  normOption,
  spatialDims,
} from '../config.js';
import { act } from '../layers/act.js';
import { conv, ones, threes, twos, zeros } from '../layers/conv.js';
import { add, concat } from '../layers/join.js';
import { norm } from '../layers/norm.js';
import { interpolate } from '../layers/upSample.js';
import { network } from '../network.js';
import type { NetworkBuilder } from '../networkBuilder.js';

const norms = normOption.prefault(['instance', { affine: true }]);
const code = z.array(z.array(z.number().min(-1000).max(1000)));

const space = z.strictObject({
  type: z.literal('TopologyInstance').optional(),
  arch_code: z
    .tuple([code, code])
    .describe('For each block which paths run (0 or 1), and the number of the operation of each path'),
  channel_mul: z
    .number()
    .positive()
    .max(1000)
    .default(1)
    .describe('Channels of the first level, as a part of 32'),
  num_blocks: channelCount.default(6),
  num_depths: channelCount.default(3),
  spatial_dims: spatialDims,
  act_name: actOption.prefault('relu').describe('Activation'),
  norm_name: norms.describe('Normalization'),
  use_downsample: z.boolean().default(true),
  device: z.unknown().optional(),
});

/**
 * MONAI's `DiNTS` with a topology that was found (`TopologyInstance`). Source: He et al., "DiNTS:
 * differentiable neural network topology search for 3D medical image segmentation", 2021, and MONAI 1.3's
 * names and defaults.
 */
export const dints = network({
  name: 'DiNTS',
  summary: 'A network whose paths and operations were found by a search; `dints_space.arch_code` has them.',
  example: {
    in_channels: 1,
    num_classes: 2,
    dints_space: {
      num_blocks: 1,
      num_depths: 2,
      channel_mul: 0.25,
      arch_code: [[[1, 0, 1, 1]], [[1, 0, 2, 0]]],
    },
  },
  options: {
    dints_space: space.describe('What the search found, and its sizes'),
    in_channels: inChannels,
    num_classes: channelCount.describe('Channels of the output: one for each class'),
    act_name: actOption.prefault('relu').describe('Activation'),
    norm_name: norms.describe('Normalization'),
    spatial_dims: spatialDims,
    use_downsample: z.boolean().default(true).describe('Halve the image before the first block'),
    node_a: code
      .nullable()
      .optional()
      .describe(
        'Which levels are used, for the input of each block and the output of the last. Default: all',
      ),
  },
  channels: ({ in_channels, num_classes }) => ({ inputs: in_channels, outputs: num_classes }),
  check: ({
    dints_space: { arch_code, num_blocks: blocks, num_depths: depths, use_downsample },
    ...config
  }) => {
    const faults: string[] = [];
    const paths = 3 * depths - 2;
    for (const [i, given] of arch_code.entries()) {
      if (given.length !== blocks || given.some((row) => row.length !== paths)) {
        faults.push(`dints_space.arch_code.${i} must have ${blocks} lists of ${paths} numbers`);
      }
    }
    if (arch_code[1].flat().some((operation) => !Object.hasOwn(operations, operation))) {
      faults.push('dints_space.arch_code.1 must hold operations from 0 to 4');
    }
    if (use_downsample !== config.use_downsample) {
      faults.push('use_downsample and dints_space.use_downsample must be the same');
    }
    const nodes = config.node_a;
    if (nodes && (nodes.length !== blocks + 1 || nodes.some((row) => row.length !== depths))) {
      faults.push(`node_a must have ${blocks + 1} lists of ${depths} numbers`);
    }
    return faults;
  },
  build: (net, input, config) => {
    const { dints_space: found, use_downsample: halved } = config;
    const { num_depths: depths, num_blocks: blocks, arch_code } = found;
    const filters = Array.from({ length: depths + 1 }, (_, d) => Math.floor(32 * 2 ** d * found.channel_mul));
    const widths = halved ? filters.slice(1) : filters;
    const nodes = config.node_a ?? Array.from({ length: blocks + 1 }, () => Array<number>(depths).fill(1));
    const stem: Parts = { net, act: config.act_name, norm: config.norm_name };
    const inner: Parts = { net, act: found.act_name, norm: found.norm_name };

    let levels: (string | undefined)[] = filters.slice(0, depths).map((outputs, depth) => {
      const x = stemDown(stem, `stem_down.${depth}.mod`, input, depth, {
        inputs: config.in_channels,
        outputs,
        wider: halved ? filters[depth + 1] : undefined,
      });
      return nodes[0][depth] ? x : net.ops.scale(x, 0);
    });
    for (let block = 0; block < blocks; block++) {
      const results: (string | undefined)[] = levels.map(() => undefined);
      for (const [path, { from, to }] of pathsOf(depths).entries()) {
        if (!arch_code[0][block][path]) continue;
        const name = `dints_space.cell_tree.(${block}, ${path})`;
        const x = levels[from];
        if (x === undefined) {
          net.fault(`path ${path} of block ${block} begins at a level that no path leads to`);
          continue;
        }
        const moved = preprocess(inner, `${name}.preprocess`, x, to - from, widths[from], widths[to]);
        const result = operate(inner, `${name}.op.ops.0`, moved, arch_code[1][block][path], widths[to]);
        const sum = results[to];
        results[to] = sum === undefined ? result : add(net, sum, result);
      }
      levels = results;
    }
    let up: string | undefined;
    for (let depth = depths - 1; depth >= 0; depth--) {
      const own = levels[depth];
      if (up === undefined && (!nodes[blocks][depth] || own === undefined)) continue;
      const sum = up !== undefined && own !== undefined ? add(net, own, up) : (up ?? own);
      up = stemUp(stem, `stem_up.${depth}.mod`, sum as string, {
        inputs: widths[depth],
        outputs: halved ? filters[depth] : filters[Math.max(depth - 1, 0)],
        doubled: halved || depth > 0,
      });
    }
    // Stems of levels that are not used are in a state dict, too.
    net.ignore((name) => name.startsWith('stem_up.'));
    if (up === undefined) {
      net.fault('node_a uses no level of the last block');
      up = input;
    }
    const last = block(stem, 'stem_finals.0', up, filters[0], filters[0], [['conv', threes]]);
    const head = { inputs: filters[0], outputs: config.num_classes, kernel: ones, bias: true };
    return conv(net, 'stem_finals.1', last, head);
  },
});

/** What all layers of a part share. */
interface Parts {
  readonly net: NetworkBuilder;
  readonly act: Act;
  readonly norm: Norm;
}

/**
 * The paths of a block in the order of its codes: to each level from the one before it, itself and the one
 * behind it.
 */
function pathsOf(depths: number): { from: number; to: number }[] {
  const to = Array.from({ length: depths }, (_, level) => level);
  return to.flatMap((level) =>
    [level - 1, level, level + 1]
      .filter((from) => from >= 0 && from < depths)
      .map((from) => ({ from, to: level })),
  );
}

/** Convolutions of each operation, by its number; 0 does nothing. */
const operations: Readonly<Record<number, readonly (readonly [name: string, kernel: Axes])[]>> = {
  0: [],
  1: [['conv', threes]],
  2: [
    ['conv', [3, 3, 1]],
    ['conv_1', [1, 1, 3]],
  ],
  3: [
    ['conv', [3, 1, 3]],
    ['conv_1', [1, 3, 1]],
  ],
  4: [
    ['conv', [1, 3, 3]],
    ['conv_1', [3, 1, 1]],
  ],
};

function operate(parts: Parts, name: string, input: string, operation: number, channels: number): string {
  const convs = operations[operation];
  return convs.length === 0 ? input : block(parts, name, input, channels, channels, convs);
}

/** An activation, convolutions without biases, and a normalization. */
function block(
  { net, act: kind, norm: normalization }: Parts,
  name: string,
  input: string,
  inputs: number,
  outputs: number,
  convs: readonly (readonly [name: string, kernel: Axes])[],
): string {
  let x = act(net, `${name}.acti`, input, kind);
  let channels = inputs;
  for (const [part, kernel] of convs) {
    x = conv(net, `${name}.${part}`, x, { inputs: channels, outputs, kernel, bias: false });
    channels = outputs;
  }
  return norm(net, `${name}.norm`, x, outputs, normalization);
}

/** What takes a level's result to the next finer (-1) or coarser (1) level. */
function preprocess(
  parts: Parts,
  name: string,
  input: string,
  step: number,
  inputs: number,
  outputs: number,
): string {
  const { net, act: kind, norm: normalization } = parts;
  if (step === 0) return input;
  if (step < 0) {
    return block(parts, name, interpolate(net, input, twos, true), inputs, outputs, [['conv', ones]]);
  }
  const x = act(net, `${name}.acti`, input, kind);
  const half = { inputs, kernel: ones, stride: twos, padding: zeros, bias: false };
  const first = conv(net, `${name}.conv_1`, x, { ...half, outputs: Math.floor(outputs / 2) });
  // The other voxels of each axis.
  const odd = net.ops.slice(x, [2, 3, 4], [1, 1, 1], [largest, largest, largest]);
  const second = conv(net, `${name}.conv_2`, odd, { ...half, outputs: outputs - Math.floor(outputs / 2) });
  return norm(net, `${name}.norm`, concat(net, [first, second]), outputs, normalization);
}

const largest = 2 ** 31 - 1;

/** The image at a level's size, and its first features. */
function stemDown(
  { net, act: kind, norm: normalization }: Parts,
  name: string,
  input: string,
  depth: number,
  { inputs, outputs, wider }: { inputs: number; outputs: number; wider: number | undefined },
): string {
  const factor = 1 / 2 ** depth;
  let x = interpolate(net, input, [factor, factor, factor], true);
  x = conv(net, `${name}.1`, x, { inputs, outputs, kernel: threes, bias: false });
  x = norm(net, `${name}.2`, x, outputs, normalization);
  if (wider === undefined) return x;
  x = act(net, `${name}.3`, x, kind);
  x = conv(net, `${name}.4`, x, {
    inputs: outputs,
    outputs: wider,
    kernel: threes,
    stride: twos,
    bias: false,
  });
  return norm(net, `${name}.5`, x, wider, normalization);
}

function stemUp(
  { net, act: kind, norm: normalization }: Parts,
  name: string,
  input: string,
  { inputs, outputs, doubled }: { inputs: number; outputs: number; doubled: boolean },
): string {
  let x = act(net, `${name}.0`, input, kind);
  x = conv(net, `${name}.1`, x, { inputs, outputs, kernel: threes, bias: false });
  x = norm(net, `${name}.2`, x, outputs, normalization);
  return doubled ? interpolate(net, x, twos, true) : x;
}
