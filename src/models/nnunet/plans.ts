import { z } from 'zod';
import { listNames, ModelError, show } from '../../errors.js';
import type { NamedNetwork } from '../../onnx/builders/network.js';
import { sayIssue } from '../../options.js';
import type { Tree } from '../tree.js';
import type { ChannelScheme, NnunetCard, ResamplingRule } from './card.js';
import { type NnunetLabels, readLabels } from './labels.js';

const triple = z.tuple([z.number(), z.number(), z.number()]);
/** Along each axis of the network: two in a 2D configuration. */
const perAxis = z.array(z.number()).min(2).max(3);
const tree = z.record(z.string(), z.unknown());

const kwargs = z.looseObject({
  order: z.int().optional(),
  order_z: z.int().optional(),
  force_separate_z: z.boolean().nullable().optional(),
});

const configurationType = z.looseObject({
  patch_size: perAxis,
  spacing: perAxis,
  normalization_schemes: z.array(z.string()).min(1),
  use_mask_for_norm: z.array(z.boolean()).min(1),
  resampling_fn_data: z.string().optional(),
  resampling_fn_probabilities: z.string().optional(),
  resampling_fn_data_kwargs: kwargs.optional(),
  resampling_fn_probabilities_kwargs: kwargs.optional(),
  preprocessor_name: z.string().optional(),
  previous_stage: z.string().nullable().optional(),
  architecture: z.looseObject({ network_class_name: z.string(), arch_kwargs: tree }).optional(),
});

const intensities = z.record(
  z.string(),
  z.looseObject({
    // Not a number where the training data had no foreground.
    mean: z.number().nullable(),
    std: z.number().nullable(),
    percentile_00_5: z.number().nullable(),
    percentile_99_5: z.number().nullable(),
  }),
);

const plansType = z.looseObject({
  plans_name: z.string().default('nnUNetPlans'),
  dataset_name: z.string().optional(),
  image_reader_writer: z.string(),
  transpose_forward: triple,
  transpose_backward: triple,
  label_manager: z.string().optional(),
  configurations: z.record(z.string(), tree),
  foreground_intensity_properties_per_channel: intensities.optional(),
  foreground_intensity_properties_by_modality: intensities.optional(),
});

const datasetType = z.looseObject({
  channel_names: z.record(z.string(), z.string()).optional(),
  /** Before version 2. */
  modality: z.record(z.string(), z.string()).optional(),
  labels: z.record(z.string(), z.union([z.int(), z.array(z.int())])),
  regions_class_order: z.array(z.int().positive()).optional(),
  file_ending: z.string().default('.nii.gz'),
});

/** What a checkpoint says besides its weights. */
export interface CheckpointFacts {
  readonly configuration: string;
  readonly trainer: string;
  /** The network's axes along which the training mirrored; none for null. */
  readonly mirrorAxes: readonly number[];
}

/** A configuration of plans, as it is used at inference. */
export interface NnunetPlan {
  readonly network: NamedNetwork;
  /** The card's block, without the folds. */
  readonly card: Omit<NnunetCard, 'folds'>;
  /** Window size, x first. */
  readonly patch: readonly [number, number, number];
  readonly labels: NnunetLabels;
  readonly dataset: string | undefined;
}

const schemes: Readonly<Record<string, ChannelScheme['scheme']>> = {
  CTNormalization: 'ct',
  ZScoreNormalization: 'zScore',
  RescaleTo01Normalization: 'rescale',
  RGBTo01Normalization: 'rgb',
  NoNormalization: 'none',
};

const readers = ['SimpleITKIO', 'NibabelIO', 'NibabelIOWithReorient'] as const;

const resamplingFunction = 'resample_data_or_seg_to_shape';

/**
 * Reads nnU-Net's `plans.json` and `dataset.json` of any version of nnU-Net v2.
 *
 * @param where The folder of both files, for messages.
 * @throws ModelError for a plan that is damaged, or asks for something that is not known here.
 */
export function readPlan(
  content: { readonly plans: unknown; readonly dataset: unknown },
  { configuration: name, trainer, mirrorAxes }: CheckpointFacts,
  where: string,
): NnunetPlan {
  const plansFile = `${where}/plans.json`;
  const plans = checked(plansType, content.plans, plansFile);
  const dataset = checked(datasetType, content.dataset, `${where}/dataset.json`);
  const inherited = inherit(plans.configurations, name, plansFile);
  const configuration = checked(configurationType, inherited, `${plansFile}, configuration ${name}`);
  const refuse = (field: string, found: unknown, expected: string) => {
    throw new ModelError(
      `${plansFile}, configuration ${name}: ${field} is ${show(found)}, but only ${expected} can be used. ` +
        'The plan may be of another version of nnU-Net, or of an extension.',
    );
  };
  const only = (field: string, found: string | undefined, ...expected: readonly string[]) => {
    if (found !== undefined && !expected.includes(found)) refuse(field, found, listNames(expected, 'or'));
  };
  only('image_reader_writer', plans.image_reader_writer, ...readers);
  only('label_manager', plans.label_manager, 'LabelManager');
  only('preprocessor_name', configuration.preprocessor_name, 'DefaultPreprocessor');
  only('resampling_fn_data', configuration.resampling_fn_data, resamplingFunction);
  only('resampling_fn_probabilities', configuration.resampling_fn_probabilities, resamplingFunction);
  if (configuration.previous_stage) {
    refuse('previous_stage', configuration.previous_stage, 'configurations without one (no cascades)');
  }
  const forward = plans.transpose_forward;
  if (![0, 1, 2].every((axis) => forward.includes(axis))) {
    refuse('transpose_forward', forward, 'a permutation of 0, 1 and 2');
  }
  const { patch_size: patch, spacing } = configuration;
  if (patch.length !== spacing.length)
    refuse('spacing', spacing, `${patch.length} numbers, as in patch_size,`);
  if (!patch.every((n) => Number.isInteger(n) && n > 0))
    refuse('patch_size', patch, 'positive whole numbers');
  if (!spacing.every((n) => n > 0)) refuse('spacing', spacing, 'positive numbers');

  const names = Object.values(dataset.channel_names ?? dataset.modality ?? { 0: 'image' });
  const labels = readLabels(dataset, `${where}/dataset.json`);
  const channels = channelSchemes(configuration, plans, names, plansFile);
  const flat = patch.length === 2;
  return {
    network: networkOf(configuration, names.length, labels.outputs, `${plansFile}, configuration ${name}`),
    dataset: plans.dataset_name,
    labels,
    patch: (flat ? [patch[1], patch[0], 1] : [...patch].reverse()) as [number, number, number],
    card: {
      configuration: name,
      plans: plans.plans_name,
      trainer,
      reader: plans.image_reader_writer as (typeof readers)[number],
      axes: [2 - forward[2], 2 - forward[1], 2 - forward[0]],
      channels,
      spacing: (flat ? [spacing[1], spacing[0], null] : [...spacing].reverse()) as NnunetCard['spacing'],
      resampling: {
        data: resampling(configuration.resampling_fn_data_kwargs, 3, plansFile),
        logits: resampling(configuration.resampling_fn_probabilities_kwargs, 1, plansFile),
      },
      mirror: mirrorAxes.map((axis) => (flat ? 'yx' : 'zyx')[axis] as 'x' | 'y' | 'z'),
      ...(labels.regions && { regions: [...labels.regions] }),
      fileEnding: dataset.file_ending,
    },
  };
}

/** What plans and dataset say of saved probabilities. */
export interface SavedFacts {
  readonly reader: NnunetCard['reader'];
  readonly labels: NnunetLabels;
  readonly fileEnding: string;
}

/**
 * Reads what `plans.json` and `dataset.json` beside saved probabilities say of them.
 *
 * @throws ModelError for files that are damaged, or a reader that is not known here.
 */
export function readSavedFacts(content: { plans: unknown; dataset: unknown }, where: string): SavedFacts {
  const plans = checked(
    z.looseObject({ image_reader_writer: z.enum(readers) }),
    content.plans,
    `${where}/plans.json`,
  );
  const dataset = checked(datasetType, content.dataset, `${where}/dataset.json`);
  return {
    reader: plans.image_reader_writer,
    labels: readLabels(dataset, `${where}/dataset.json`),
    fileEnding: dataset.file_ending,
  };
}

type Configuration = z.infer<typeof configurationType>;
type Plans = z.infer<typeof plansType>;

/** A configuration with the fields of those that it inherits from. */
function inherit(
  configurations: Readonly<Record<string, Tree>>,
  name: string,
  file: string,
  heirs: readonly string[] = [],
): Tree {
  const found = Object.hasOwn(configurations, name) ? configurations[name] : undefined;
  if (!found) {
    throw new ModelError(
      `${file} has no configuration ${show(name)}${heirs.length > 0 ? `, from which ${heirs.at(-1)} inherits` : ', which the checkpoint was trained with'}; ` +
        `it has ${listNames(Object.keys(configurations))}.`,
    );
  }
  if (heirs.includes(name))
    throw new ModelError(`${file}: the configuration ${show(name)} inherits from itself.`);
  const parent = found['inherits_from'];
  if (typeof parent !== 'string') return found;
  return { ...inherit(configurations, parent, file, [...heirs, name]), ...found };
}

function channelSchemes(
  { normalization_schemes, use_mask_for_norm }: Configuration,
  plans: Plans,
  names: readonly string[],
  file: string,
): ChannelScheme[] {
  const count = names.length;
  if (normalization_schemes.length !== count || use_mask_for_norm.length !== count) {
    throw new ModelError(
      `${file} has ${normalization_schemes.length} normalization_schemes and ${use_mask_for_norm.length} ` +
        `use_mask_for_norm, but dataset.json names ${count} channel(s). The two files belong to different datasets.`,
    );
  }
  const properties =
    plans.foreground_intensity_properties_per_channel ??
    plans.foreground_intensity_properties_by_modality ??
    {};
  return normalization_schemes.map((scheme, channel): ChannelScheme => {
    const name = names[channel];
    if (!Object.hasOwn(schemes, scheme)) {
      throw new ModelError(
        `${file}: the normalization of channel ${channel} is ${show(scheme)}, but only ` +
          `${listNames(Object.keys(schemes))} are known. It may be of another version of nnU-Net, or of an extension.`,
      );
    }
    const kind = schemes[scheme];
    if (kind === 'zScore') return { name, scheme: kind, mask: use_mask_for_norm[channel] };
    if (kind !== 'ct') return { name, scheme: kind };
    const { mean, std, percentile_00_5: low, percentile_99_5: high } = properties[String(channel)] ?? {};
    if (mean == null || std == null || low == null || high == null) {
      throw new ModelError(
        `${file} has no foreground_intensity_properties_per_channel for channel ${channel}, which its ` +
          'CTNormalization needs.',
      );
    }
    return { name, scheme: kind, mean, std, low, high };
  });
}

function resampling(given: z.infer<typeof kwargs> | undefined, order: number, file: string): ResamplingRule {
  const rule = {
    order: given?.order ?? order,
    orderZ: given?.order_z ?? 0,
    separateZ: given?.force_separate_z ?? null,
  };
  if (![0, 1, 3].includes(rule.order) || ![0, 1].includes(rule.orderZ)) {
    throw new ModelError(
      `${file}: resampling has the order ${rule.order} and order_z ${rule.orderZ}, but only the orders 0, 1 and ` +
        '3 and the order_z 0 and 1 can be used.',
    );
  }
  return rule as ResamplingRule;
}

const oldStyle = z.looseObject({
  UNet_class_name: z.string(),
  UNet_base_num_features: z.int().positive(),
  unet_max_num_features: z.int().positive(),
  n_conv_per_stage_encoder: z.array(z.int().positive()),
  n_conv_per_stage_decoder: z.array(z.int().positive()),
  conv_kernel_sizes: z.array(z.array(z.int().positive())),
  pool_op_kernel_sizes: z.array(z.array(z.int().positive())),
});

const networkNames = ['PlainConvUNet', 'ResidualEncoderUNet'];

function networkOf(
  configuration: Configuration,
  inputs: number,
  outputs: number,
  where: string,
): NamedNetwork {
  const io = { input_channels: inputs, num_classes: outputs };
  const known = (name: string) => {
    const type = name.split('.').at(-1) ?? name;
    if (networkNames.includes(type)) return type;
    throw new ModelError(
      `${where}: the network is ${show(name)}, but only ${listNames(networkNames)} can be built. It may be of ` +
        'another version of nnU-Net, or of an extension.',
    );
  };
  if (configuration.architecture) {
    const { network_class_name: name, arch_kwargs } = configuration.architecture;
    return { type: known(name), config: { ...arch_kwargs, ...io } };
  }
  if (typeof configuration['UNet_class_name'] !== 'string') {
    throw new ModelError(
      `${where} has neither an "architecture" nor a "UNet_class_name", so the network is not known. The plan may be ` +
        'of another version of nnU-Net.',
    );
  }
  const type = known(configuration['UNet_class_name']);
  const old = checked(oldStyle, configuration, where);
  const kernels = old.conv_kernel_sizes;
  const stages = kernels.length;
  const flat = configuration.patch_size.length === 2;
  const perStage = old.n_conv_per_stage_encoder;
  return {
    type,
    config: {
      ...io,
      n_stages: stages,
      features_per_stage: kernels.map((_, stage) =>
        Math.min(old.UNet_base_num_features * 2 ** stage, old.unet_max_num_features),
      ),
      kernel_sizes: kernels,
      strides: old.pool_op_kernel_sizes,
      [type === 'PlainConvUNet' ? 'n_conv_per_stage' : 'n_blocks_per_stage']: perStage,
      n_conv_per_stage_decoder: old.n_conv_per_stage_decoder,
      conv_op: `torch.nn.modules.conv.Conv${flat ? 2 : 3}d`,
      conv_bias: true,
      norm_op: `torch.nn.modules.instancenorm.InstanceNorm${flat ? 2 : 3}d`,
      norm_op_kwargs: { eps: 1e-5, affine: true },
      nonlin: 'torch.nn.LeakyReLU',
      nonlin_kwargs: { inplace: true },
    },
  };
}

/** Checks the content of a file. Throws ModelError naming the first wrong fields. */
function checked<T extends z.ZodType>(type: T, content: unknown, where: string): z.infer<T> {
  const parsed = type.safeParse(content, { reportInput: true });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.slice(0, 5).map((issue) => sayIssue(issue, 'the content'));
  throw new ModelError(
    `${where}: ${faults.join('; ')}. nnU-Net v2 did not write this file, or a newer version did.`,
  );
}
