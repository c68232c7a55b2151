import { z } from 'zod';
import { floats } from '../../tensor.js';
import { channelCount, inChannels, type Norm, spatialDims } from '../config.js';
import { type SegResOptions, segResDecoder, segResEncoder } from '../layers/segRes.js';
import { unetBlock } from '../layers/unetBlocks.js';
import { network } from '../network.js';
import type { NetworkBuilder } from '../networkBuilder.js';
import { checkSegResNetDS, segResNetDSOptions } from './segResNetDS.js';

const instance: Norm = { kind: 'instance', affine: false, track_running_stats: false, eps: 1e-5 };

const classNumber = z.int().min(0).max(65_535);
const classVector = z
  .array(z.union([classNumber, z.tuple([classNumber]).transform(([number]) => number)]))
  .min(1)
  .describe('The numbers of the classes that the output has channels for, e.g. [1, 3, 14]');

interface ClassHead {
  readonly n_classes: number;
  readonly feature_size: number;
  readonly use_mlp: boolean;
}

/**
 * MONAI's `VISTA3D` in its automatic mode: one logit for each class that is asked for, above 0 where a voxel
 * is of it. Source: He et al., "VISTA3D: versatile imaging segmentation and annotation model for 3D computed
 * tomography", 2024, and MONAI 1.5's names and defaults.
 */
export const vista3d = network({
  name: 'VISTA3D',
  summary: 'A SegResNetDS whose features are compared with the embeddings of the classes in `class_vector`.',
  example: {
    image_encoder: { init_filters: 48, out_channels: 48, norm: 'instance' },
    class_head: { n_classes: 512, feature_size: 48 },
    class_vector: [1, 3],
  },
  options: {
    image_encoder: z
      .strictObject({ type: z.literal('SegResNetDS2').optional(), ...segResNetDSOptions })
      .describe('The options of the SegResNetDS'),
    class_head: z
      .strictObject({
        type: z.literal('ClassMappingClassify').optional(),
        n_classes: channelCount,
        feature_size: channelCount.describe('Channels of the first level'),
        use_mlp: z.boolean().default(true),
      })
      .describe('The embeddings of classes: their number and size'),
    point_head: z.unknown().optional().describe('The interactive mode, which is not used'),
    class_vector: classVector,
  },
  channels: ({ image_encoder, class_vector }) => ({
    inputs: image_encoder.in_channels,
    outputs: class_vector.length,
  }),
  check: ({ image_encoder: encoder, class_head: head, class_vector }) => [
    ...checkSegResNetDS(encoder),
    ...checkClasses(class_vector, head.n_classes),
    ...(encoder.out_channels === head.feature_size
      ? []
      : [
          `image_encoder.out_channels is ${encoder.out_channels}, but class_head.feature_size is ${head.feature_size}`,
        ]),
  ],
  build: (net, input, { image_encoder, class_head, class_vector }) =>
    build(net, input, image_encoder, class_head, class_vector),
});

/** MONAI's `vista3d132`: the `VISTA3D` of the bundle "vista3d". */
export const vista3d132 = network({
  name: 'vista3d132',
  summary: 'The VISTA3D of the bundle of that name: 132 classes.',
  example: { encoder_embed_dim: 48, in_channels: 1, class_vector: [1, 3] },
  options: {
    spatial_dims: spatialDims,
    encoder_embed_dim: channelCount.default(48).describe('Channels of the first level'),
    in_channels: inChannels.default(1).describe('Channels of the image'),
    class_vector: classVector,
  },
  channels: ({ in_channels, class_vector }) => ({ inputs: in_channels, outputs: class_vector.length }),
  check: ({ class_vector }) => checkClasses(class_vector, 512),
  build: (net, input, { encoder_embed_dim: width, in_channels, class_vector }) => {
    const encoder: SegResOptions = {
      init_filters: width,
      in_channels,
      out_channels: width,
      act: { kind: 'relu' },
      norm: { ...instance, affine: true },
      blocks_down: [1, 2, 2, 4, 4],
      dsdepth: 1,
      upsample_mode: 'deconv',
    };
    return build(net, input, encoder, { n_classes: 512, feature_size: width, use_mlp: true }, class_vector);
  },
});

function checkClasses(classes: readonly number[], count: number): string[] {
  const unknown = classes.filter((number) => number >= count);
  return unknown.length === 0
    ? []
    : [`class_vector has ${unknown.join(', ')}, but there are ${count} classes from 0 on`];
}

function build(
  net: NetworkBuilder,
  input: string,
  encoder: SegResOptions,
  head: ClassHead,
  classes: readonly number[],
): string {
  const { feature_size: width } = head;
  const levels = segResEncoder(net, 'image_encoder.encoder', input, encoder);
  // The decoder of the automatic mode; `up_layers` is that of the interactive mode.
  let x = segResDecoder(net, 'image_encoder.up_layers_auto', levels, encoder);
  for (const part of [0, 1]) {
    const block = { inputs: width, outputs: width, norm: instance, residual: true };
    x = unetBlock(net, `class_head.image_post_mapping.${part}.layer`, x, block);
  }
  net.ignore((name) => name.startsWith('image_encoder.up_layers.') || name.startsWith('point_head.'));
  const kernel = floats([classes.length, width, 1, 1, 1], classKernel(net, head, classes));
  const weight = net.graph.addInitializer('class_head.kernel', kernel);
  return net.node('class_head', 'Conv', [x, weight], { kernel_shape: [1, 1, 1] });
}

/**
 * What features are multiplied by for each class: its embedding, mapped by two linear layers where the head
 * has them.
 */
function classKernel(net: NetworkBuilder, head: ClassHead, classes: readonly number[]): Float32Array {
  const { n_classes: count, feature_size: width, use_mlp } = head;
  const name = 'class_head';
  const start = { part: 'kernel', fanIn: width } as const;
  const embeddings = net.values(`${name}.class_embeddings.weight`, [count, width], start);
  const linear = (layer: string) => {
    const weight = net.values(`${name}.${layer}.weight`, [width, width], start);
    const bias = net.values(`${name}.${layer}.bias`, [width], { part: 'bias', fanIn: width });
    return (x: readonly number[]) =>
      Array.from(bias, (b, row) => x.reduce((sum, value, i) => sum + value * weight[row * width + i], b));
  };
  const [first, second] = use_mlp ? [linear('mlp.0'), linear('mlp.3')] : [];
  const mapped = (embedding: readonly number[]) =>
    first && second ? second(normalized(first(embedding)).map(gelu)) : embedding;
  const rows = classes.map((number) =>
    mapped([...embeddings.subarray(number * width, (number + 1) * width)]),
  );
  return Float32Array.from(rows.flat());
}

/** Values with mean 0 and variance 1. */
function normalized(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return values.map((value) => (value - mean) / Math.sqrt(variance + 1e-5));
}

function gelu(x: number): number {
  return 0.5 * x * (1 + erf(x * Math.SQRT1_2));
}

/** The error function, by its series of positive terms: exact to the last digits of a double. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
