import { z } from 'zod';
import { type Act, type Axes, channelCount, type Norm } from '../config.js';
import type { NetworkBuilder } from '../networkBuilder.js';
import { act } from './act.js';
import { conv, convTranspose, ones, zeros } from './conv.js';
import { concat } from './join.js';
import { norm } from './norm.js';

/**
 * One whole number for each axis: a kernel or a stride. Two numbers are those of a 2D network, which is built
 * for windows of one slice.
 */
const axes = z
  .union([
    channelCount.transform((n): readonly number[] => [n, n, n]),
    z.tuple([channelCount, channelCount]),
    z.tuple([channelCount, channelCount, channelCount]),
  ])
  .readonly();

/** Counts of each stage: one number for all, or a list. */
const counts = z.union([channelCount, z.array(channelCount).min(1)]);

const className = z.string().nullable().optional();
const anything = z.record(z.string(), z.unknown()).nullable().optional();

/** Options that both networks have, under the names of `dynamic_network_architectures`. */
export const nnunetOptions = {
  input_channels: channelCount.describe('Channels of the image'),
  num_classes: channelCount.describe('Channels of the output'),
  n_stages: channelCount.describe('Resolutions, the full one included'),
  features_per_stage: z.array(channelCount).min(2).describe('Channels of each stage'),
  kernel_sizes: z.array(axes).min(2).describe('Kernel of each stage'),
  strides: z.array(axes).min(2).describe('Stride of the first convolution of each stage'),
  n_conv_per_stage_decoder: counts.describe('Convolutions of each decoder stage, the lowest first'),
  conv_op: z
    .string()
    .regex(/(^|\.)Conv[23]d$/, { error: 'Conv2d or Conv3d of torch.nn' })
    .default('torch.nn.modules.conv.Conv3d')
    .describe('Conv3d, or Conv2d for a network of slices'),
  conv_bias: z.boolean().default(false).describe('Whether convolutions have biases'),
  norm_op: z
    .string()
    .regex(/(^|\.)(Instance|Batch)Norm[23]d$/, { error: 'an InstanceNorm or a BatchNorm of torch.nn' })
    .nullable()
    .default(null)
    .describe('The normalization after each convolution'),
  norm_op_kwargs: z
    .looseObject({ eps: z.number().positive().max(1).optional(), affine: z.boolean().optional() })
    .nullable()
    .optional()
    .describe('Its eps (default 1e-5) and affine'),
  nonlin: z
    .string()
    .regex(/(^|\.)(LeakyReLU|ReLU)$/, { error: 'torch.nn.LeakyReLU or torch.nn.ReLU' })
    .nullable()
    .default(null)
    .describe('The activation after each normalization'),
  nonlin_kwargs: z
    .looseObject({ negative_slope: z.number().min(-1000).max(1000).optional() })
    .nullable()
    .optional()
    .describe('Its negative_slope (default 0.01)'),
  dropout_op: className.describe('Only used in training'),
  dropout_op_kwargs: anything.describe('Only used in training'),
  deep_supervision: z.boolean().optional().describe('Only used in training'),
};

/** A small example of the options that both networks need. */
export const nnunetExample = {
  input_channels: 1,
  num_classes: 2,
  n_stages: 2,
  features_per_stage: [32, 64],
  kernel_sizes: [
    [3, 3, 3],
    [3, 3, 3],
  ] as [number, number, number][],
  strides: [
    [1, 1, 1],
    [2, 2, 2],
  ] as [number, number, number][],
  norm_op: 'torch.nn.InstanceNorm3d',
  nonlin: 'torch.nn.LeakyReLU',
};

/** The options that both networks share, checked. */
export interface NnunetConfig {
  readonly input_channels: number;
  readonly num_classes: number;
  readonly n_stages: number;
  readonly features_per_stage: readonly number[];
  readonly kernel_sizes: readonly (readonly number[])[];
  readonly strides: readonly (readonly number[])[];
  readonly n_conv_per_stage_decoder: number | readonly number[];
  readonly conv_op: string;
  readonly conv_bias: boolean;
  readonly norm_op: string | null;
  readonly norm_op_kwargs?: { readonly eps?: number; readonly affine?: boolean } | null;
  readonly nonlin: string | null;
  readonly nonlin_kwargs?: { readonly negative_slope?: number } | null;
}

/** Rules over several of these options. `counted` are further lists with an entry for each stage. */
export function checkNnunet(
  config: NnunetConfig,
  counted: Readonly<Record<string, number | readonly number[]>>,
): string[] {
  const { n_stages: stages, features_per_stage, kernel_sizes, strides, n_conv_per_stage_decoder } = config;
  const faults: string[] = [];
  const lists = { features_per_stage, kernel_sizes, strides, ...counted };
  for (const [name, list] of Object.entries(lists)) {
    if (typeof list !== 'number' && list.length !== stages) {
      faults.push(`${name} has ${list.length} entries, but n_stages is ${stages}`);
    }
  }
  const ups = n_conv_per_stage_decoder;
  if (typeof ups !== 'number' && ups.length !== stages - 1) {
    faults.push(
      `n_conv_per_stage_decoder has ${ups.length} entries, but ${stages} stages need ${stages - 1}`,
    );
  }
  const flat = isFlat(config);
  for (const [name, list] of Object.entries({ kernel_sizes, strides })) {
    const odd = list.findIndex((sizes) => (sizes.length === 2) !== flat);
    if (odd >= 0)
      faults.push(`${name}.${odd} has ${list[odd].length} numbers, but conv_op is ${config.conv_op}`);
  }
  const even = kernel_sizes.findIndex((sizes) => sizes.some((n) => n % 2 === 0));
  if (even >= 0) faults.push(`kernel_sizes.${even} must be odd along every axis`);
  if (strides[0]?.some((n) => n !== 1)) faults.push('strides.0 must be 1 along every axis');
  return faults;
}

function isFlat({ conv_op }: Pick<NnunetConfig, 'conv_op'>): boolean {
  return conv_op.endsWith('2d');
}

/** Layers of a network whose options have been checked. */
export class NnunetParts {
  readonly #flat: boolean;
  readonly #norm: Norm | undefined;
  readonly #act: Act | undefined;

  constructor(
    readonly net: NetworkBuilder,
    readonly config: NnunetConfig,
  ) {
    this.#flat = isFlat(config);
    this.#norm = normOf(config);
    this.#act = actOf(config);
    // Each convolution and normalization of a block once more, as `all_modules`, the encoder once more as a
    // part of the decoder, and the heads of deep supervision.
    const last = config.n_stages - 2;
    net.ignore((name) => /(^|\.)all_modules\.|^decoder\.encoder\./.test(name));
    net.ignore(
      (name) => /^decoder\.seg_layers\./.test(name) && !name.startsWith(`decoder.seg_layers.${last}.`),
    );
  }

  /** Sizes of three axes: those of a 2D network have a first axis of 1. */
  axes(sizes: readonly number[]): Axes {
    const [a, b, c] = this.#flat ? [1, ...sizes] : sizes;
    return [a, b, c];
  }

  activate(name: string, input: string): string {
    return this.#act ? act(this.net, name, input, this.#act) : input;
  }

  /** `ConvDropoutNormReLU`: `NAME.conv` and `NAME.norm`, and the activation if asked for. */
  block(
    name: string,
    input: string,
    layer: {
      readonly inputs: number;
      readonly outputs: number;
      readonly kernel: Axes;
      readonly stride?: Axes;
      /** Default: `conv_bias`. */
      readonly bias?: boolean;
    },
    activation = true,
  ): string {
    const bias = layer.bias ?? this.config.conv_bias;
    const x = conv(this.net, `${name}.conv`, input, { ...layer, bias, plane: this.#flat });
    const y = this.#norm ? norm(this.net, `${name}.norm`, x, layer.outputs, this.#norm) : x;
    return activation ? this.activate(`${name}.nonlin`, y) : y;
  }

  /** `StackedConvBlocks`: `NAME.convs.0` and so on. The stride is that of the first. */
  stack(
    name: string,
    input: string,
    { inputs, outputs, kernel, stride }: { inputs: number; outputs: number; kernel: Axes; stride: Axes },
    count: number,
  ): string {
    let x = input;
    for (let i = 0; i < count; i++) {
      const layer = { inputs: i === 0 ? inputs : outputs, outputs, kernel, stride: i === 0 ? stride : ones };
      x = this.block(`${name}.convs.${i}`, x, layer);
    }
    return x;
  }

  /** `UNetDecoder` from the outputs of all stages, the finest first, and the head. */
  decode(skips: readonly string[]): string {
    const { config, net } = this;
    const { n_stages: stages, features_per_stage: features, kernel_sizes: kernels, strides } = config;
    let x = skips[stages - 1];
    for (let step = 0; step < stages - 1; step++) {
      const level = stages - 2 - step;
      const stride = this.axes(strides[level + 1]);
      const up = convTranspose(net, `decoder.transpconvs.${step}`, x, {
        inputs: features[level + 1],
        outputs: features[level],
        kernel: stride,
        stride,
        padding: zeros,
        bias: config.conv_bias,
        plane: this.#flat,
      });
      const layer = {
        inputs: 2 * features[level],
        outputs: features[level],
        kernel: this.axes(kernels[level]),
        stride: ones,
      };
      const count = countOf(config.n_conv_per_stage_decoder, step);
      x = this.stack(`decoder.stages.${step}`, concat(net, [up, skips[level]]), layer, count);
    }
    return conv(net, `decoder.seg_layers.${stages - 2}`, x, {
      inputs: features[0],
      outputs: config.num_classes,
      kernel: ones,
      bias: true,
      plane: this.#flat,
    });
  }
}

/** The count of a stage, from one number for all or a list. */
export function countOf(list: number | readonly number[], stage: number): number {
  return typeof list === 'number' ? list : list[stage];
}

function normOf({ norm_op, norm_op_kwargs }: NnunetConfig): Norm | undefined {
  if (!norm_op) return undefined;
  const { eps = 1e-5 } = norm_op_kwargs ?? {};
  if (/BatchNorm/.test(norm_op)) {
    return { kind: 'batch', affine: norm_op_kwargs?.affine ?? true, track_running_stats: true, eps };
  }
  return { kind: 'instance', affine: norm_op_kwargs?.affine ?? false, track_running_stats: false, eps };
}

function actOf({ nonlin, nonlin_kwargs }: NnunetConfig): Act | undefined {
  if (!nonlin) return undefined;
  if (nonlin.endsWith('LeakyReLU')) {
    return { kind: 'leakyrelu', negative_slope: nonlin_kwargs?.negative_slope ?? 0.01 };
  }
  return { kind: 'relu' };
}
