import { listNames, OptionError } from '../../errors.js';
import type { ModelCard } from '../../models/card.js';

type Tree = Readonly<Record<string, unknown>>;

/** Operators and the transforms of MONAI that do the same; options have the same names in snake case. */
const transforms: Readonly<Record<string, string>> = {
  orient: 'Orientationd',
  spacing: 'Spacingd',
  cropForeground: 'CropForegroundd',
  gaussianSmooth: 'GaussianSmoothd',
  normalizeIntensity: 'NormalizeIntensityd',
  scaleIntensity: 'ScaleIntensityd',
  scaleIntensityRange: 'ScaleIntensityRanged',
  scaleIntensityRangePercentiles: 'ScaleIntensityRangePercentilesd',
  thresholdIntensity: 'ThresholdIntensityd',
};

/** Options that MONAI does not have, with the value that does what MONAI does. */
const ours: Readonly<Record<string, unknown>> = { ifEmpty: 'fail', keys: undefined };

/** Networks that MONAI does not have. */
const notMonai = ['PlainConvUNet', 'ResidualEncoderUNet'];

/**
 * The configuration of a bundle's inference for a model: what `python -m monai.bundle run` needs.
 *
 * @param card It names the network and lists the preprocessing.
 * @throws OptionError if MONAI lacks the network or a step, or the card does not state them.
 */
export function inferenceConfig(card: ModelCard): Tree {
  const { network, input, output, name } = card;
  if (!network) {
    throw new OptionError(
      `The card of ${name} names no network. A bundle can be made of models that were imported from a checkpoint or trained here.`,
    );
  }
  const { type, monai_version: _version, ...config } = network;
  if (notMonai.includes(type))
    throw new OptionError(`MONAI has no network ${type}, so ${name} cannot be a bundle.`);
  const sigmoid = output.activation === 'sigmoid';
  const roiSize = input.patch ?? [96, 96, 96];
  return {
    imports: ['$import glob', '$import os'],
    bundle_root: '.',
    output_dir: "$@bundle_root + '/eval'",
    dataset_dir: '/workspace/data',
    datalist: "$list(sorted(glob.glob(@dataset_dir + '/*.nii.gz')))",
    device: "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
    network_def: { _target_: type, ...config },
    network: '$@network_def.to(@device)',
    preprocessing: { _target_: 'Compose', transforms: preprocessingOf(card) },
    dataset: {
      _target_: 'Dataset',
      data: "$[{'image': i} for i in @datalist]",
      transform: '@preprocessing',
    },
    dataloader: {
      _target_: 'DataLoader',
      dataset: '@dataset',
      batch_size: 1,
      shuffle: false,
      num_workers: 4,
    },
    inferer: { _target_: 'SlidingWindowInferer', roi_size: roiSize, sw_batch_size: 4, overlap: 0.5 },
    postprocessing: {
      _target_: 'Compose',
      transforms: [
        { _target_: 'Activationsd', keys: 'pred', ...(sigmoid ? { sigmoid: true } : { softmax: true }) },
        {
          _target_: 'Invertd',
          keys: 'pred',
          transform: '@preprocessing',
          orig_keys: 'image',
          nearest_interp: false,
          to_tensor: true,
        },
        { _target_: 'AsDiscreted', keys: 'pred', ...(sigmoid ? { threshold: 0.5 } : { argmax: true }) },
        { _target_: 'SaveImaged', keys: 'pred', output_dir: '@output_dir' },
      ],
    },
    handlers: [
      {
        _target_: 'CheckpointLoader',
        load_path: "$@bundle_root + '/models/model.pt'",
        load_dict: { model: '@network' },
      },
      { _target_: 'StatsHandler', iteration_log: false },
    ],
    evaluator: {
      _target_: 'SupervisedEvaluator',
      device: '@device',
      val_data_loader: '@dataloader',
      network: '@network',
      inferer: '@inferer',
      postprocessing: '@postprocessing',
      val_handlers: '@handlers',
      amp: false,
    },
    run: ['$@evaluator.run()'],
  };
}

function preprocessingOf({ name, input }: ModelCard): Tree[] {
  const { preprocessing } = input;
  if (!preprocessing) {
    throw new OptionError(
      `The card of ${name} does not list its preprocessing. Add input.preprocessing to its metadata.json; see docs/models.md.`,
    );
  }
  const steps = preprocessing.map((step): readonly [string, Tree] => {
    const [[operator, options]] = typeof step === 'string' ? [[step, {}] as const] : Object.entries(step);
    return [operator, options ?? {}];
  });
  const unknown = steps.map(([operator]) => operator).filter((one) => one !== 'load' && !transforms[one]);
  if (unknown.length > 0) {
    throw new OptionError(
      `The preprocessing of ${name} has ${listNames(unknown)}, which "bundle init" cannot write as transforms of MONAI. ` +
        `It knows ${listNames(['load', ...Object.keys(transforms)])}.`,
    );
  }
  return [
    { _target_: 'LoadImaged', keys: 'image' },
    { _target_: 'EnsureChannelFirstd', keys: 'image' },
    ...steps.flatMap(([operator, options]) =>
      operator === 'load'
        ? []
        : [{ _target_: transforms[operator], keys: 'image', ...argumentsOf(operator, options) }],
    ),
    { _target_: 'EnsureTyped', keys: 'image' },
  ];
}

function argumentsOf(operator: string, options: Tree): Tree {
  const args = Object.entries(options).flatMap(([option, value]): [string, unknown][] => {
    if (value === undefined) return [];
    if (!Object.hasOwn(ours, option)) return [[snake(option), value]];
    if (ours[option] === undefined || ours[option] === value) return [];
    throw new OptionError(`The option ${option} of ${operator} has no counterpart in MONAI.`);
  });
  return Object.fromEntries(args);
}

/** `aMin` as `a_min`. */
function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
