import { toPlain } from '../config/plain.js';
import type { Value } from '../language/values.js';
import { type Args, asFlag } from './args.js';
import { given, type Options, type TransformState, type Translator } from './translator.js';

/**
 * One operator for all keys: they must get the same random draws, so options that differ from key to key are
 * maps by key.
 */
function randomly(
  name: string,
  read: (args: Args, keys: readonly string[], state: TransformState) => Options,
): Translator {
  return (args, keys, state) => {
    args.ignore('dtype', 'lazy', 'meta_keys', 'meta_key_postfix', 'device');
    const options = given({ ...read(args, keys, state), keys: [...keys] });
    return [{ kind: 'operator', name, options, id: args.id }];
  };
}

const prob = (args: Args) => ({ prob: args.number('prob', 0.1) });

/** Ranges for several draws: a number, or a list of numbers and pairs. The operator checks them. */
function ranges(args: Args, name: string): unknown {
  const value = args.value(name);
  return value === undefined ? undefined : toPlain(value);
}

/**
 * The interpolation of each key. MONAI interpolates labels where a configuration does not say `nearest`. The
 * results are fractions, which are not classes; here labels always take the nearest voxel.
 */
function modes(
  args: Args,
  keys: readonly string[],
  state: TransformState,
  otherwise: string,
  read: (value: Value) => string | undefined,
): Readonly<Record<string, string>> {
  const asked = args.perKey('mode', keys, otherwise, 'the name of an interpolation', read);
  const blended = keys.filter((key, i) => state.labels.has(key) && !asked[i].startsWith('nearest'));
  if (blended.length > 0) {
    args.problems.note(
      args.id,
      `(${args.component.name}) interpolates ${blended.join(', ')} in MONAI; here labels take the nearest voxel`,
    );
  }
  return Object.fromEntries(
    keys.map((key, i) => [key, blended.includes(key) ? 'nearest' : asked[i]] as const),
  );
}

const linearOrNearest = (value: Value) => {
  if (value === 'bilinear' || value === 'trilinear' || value === 1n) return 'bilinear';
  return value === 'nearest' || value === 0n ? 'nearest' : undefined;
};

const resizeMode = (value: Value) => {
  if (value === 'bilinear' || value === 'linear') return 'trilinear';
  const known = ['nearest', 'nearest-exact', 'trilinear', 'area'];
  return typeof value === 'string' && known.includes(value) ? value : undefined;
};

/** One padding mode for all keys. */
function padding(args: Args, keys: readonly string[], otherwise: string): string {
  const each = args.perKey('padding_mode', keys, otherwise, 'the name of a padding mode', (value) =>
    typeof value === 'string' ? value : undefined,
  );
  if (each.some((one) => one !== each[0])) args.problem('has padding_mode that differs from key to key');
  return each[0] ?? otherwise;
}

const affineRanges = (args: Args) => ({
  rotateRange: ranges(args, 'rotate_range'),
  shearRange: ranges(args, 'shear_range'),
  translateRange: ranges(args, 'translate_range'),
  scaleRange: ranges(args, 'scale_range'),
  spatialSize: args.numbers('spatial_size'),
});

const warp = (args: Args, keys: readonly string[], state: TransformState) => ({
  ...prob(args),
  ...affineRanges(args),
  mode: modes(args, keys, state, 'bilinear', linearOrNearest),
  paddingMode: padding(args, keys, 'reflection'),
});

const patches = (args: Args) => {
  args.supports('fg_indices_key');
  args.supports('bg_indices_key');
  args.supports('indices_key');
  return {
    labelKey: args.text('label_key', 'label'),
    spatialSize: args.numbers('spatial_size'),
    numSamples: args.number('num_samples', 1),
    imageKey: args.text('image_key', undefined),
    imageThreshold: args.number('image_threshold', 0),
    allowSmaller: args.flag('allow_smaller', false),
  };
};

/** MONAI's random dictionary transforms without the letter at their end, and what they become. */
export const randomTransforms: Readonly<Record<string, Translator>> = {
  RandCropByPosNegLabel: randomly('randCropByPosNegLabel', (args) => ({
    ...patches(args),
    pos: args.number('pos', 1),
    neg: args.number('neg', 1),
  })),
  RandCropByLabelClasses: randomly('randCropByLabelClasses', (args) => {
    args.ignore('warn');
    args.supports('max_samples_per_class');
    const ratios = args.numbers('ratios');
    return {
      ...patches(args),
      ratios: typeof ratios === 'number' ? [ratios] : ratios,
      numClasses: args.number('num_classes', undefined),
    };
  }),
  RandSpatialCrop: randomly('randSpatialCrop', (args) => {
    const randomSize = args.flag('random_size', false);
    const most = args.numbers('max_roi_size');
    return {
      roiSize: args.numbers('roi_size'),
      randomCenter: args.flag('random_center', true),
      randomSize,
      ...(randomSize && { maxRoiSize: most }),
    };
  }),
  RandZoom: randomly('randZoom', (args, keys, state) => {
    // Further arguments go to numpy's or torch's pad, which does not know these.
    args.ignore('min', 'max');
    const align = args.perKey('align_corners', keys, false, 'true or false', asFlag);
    if (align.some((one) => one !== align[0])) args.problem('has align_corners that differs from key to key');
    return {
      ...prob(args),
      minZoom: args.numbers('min_zoom') ?? 0.9,
      maxZoom: args.numbers('max_zoom') ?? 1.1,
      mode: modes(args, keys, state, 'area', resizeMode),
      paddingMode: padding(args, keys, 'edge'),
      ...(align[0] && { alignCorners: true }),
      keepSize: args.flag('keep_size', true),
    };
  }),
  RandRotate: randomly('randRotate', (args, keys, state) => {
    args.ignore('align_corners');
    return {
      ...prob(args),
      rangeX: args.numbers('range_x') ?? 0,
      rangeY: args.numbers('range_y') ?? 0,
      rangeZ: args.numbers('range_z') ?? 0,
      keepSize: args.flag('keep_size', true),
      mode: modes(args, keys, state, 'bilinear', linearOrNearest),
      paddingMode: padding(args, keys, 'border'),
    };
  }),
  RandRotate90: randomly('randRotate90', (args) => ({
    ...prob(args),
    maxK: args.number('max_k', 3),
    spatialAxes: args.numbers('spatial_axes'),
  })),
  RandFlip: randomly('randFlip', (args) => ({ ...prob(args), spatialAxis: args.numbers('spatial_axis') })),
  RandAxisFlip: randomly('randAxisFlip', prob),
  RandAffine: randomly('randAffine', (args, keys, state) => {
    args.ignore('cache_grid');
    return warp(args, keys, state);
  }),
  Rand3DElastic: randomly('rand3DElastic', (args, keys, state) => ({
    ...warp(args, keys, state),
    sigmaRange: args.numbers('sigma_range'),
    magnitudeRange: args.numbers('magnitude_range'),
  })),
  RandGaussianNoise: randomly('randGaussianNoise', (args) => ({
    ...prob(args),
    mean: args.number('mean', 0),
    std: args.number('std', 0.1),
    sampleStd: args.flag('sample_std', true),
  })),
  RandGaussianSmooth: randomly('randGaussianSmooth', (args) => {
    args.supports('approx', 'erf');
    return {
      ...prob(args),
      sigmaX: args.numbers('sigma_x') ?? [0.25, 1.5],
      sigmaY: args.numbers('sigma_y') ?? [0.25, 1.5],
      sigmaZ: args.numbers('sigma_z') ?? [0.25, 1.5],
    };
  }),
  RandScaleIntensity: randomly('randScaleIntensity', (args) => ({
    ...prob(args),
    factors: args.numbers('factors'),
    channelWise: args.flag('channel_wise', false),
  })),
  RandShiftIntensity: randomly('randShiftIntensity', (args) => {
    args.supports('factor_key');
    args.supports('safe', false);
    return {
      ...prob(args),
      offsets: args.numbers('offsets'),
      channelWise: args.flag('channel_wise', false),
    };
  }),
  RandAdjustContrast: randomly('randAdjustContrast', (args) => ({
    ...prob(args),
    gamma: args.numbers('gamma') ?? [0.5, 4.5],
    invertImage: args.flag('invert_image', false),
    retainStats: args.flag('retain_stats', false),
  })),
  RandBiasField: randomly('randBiasField', (args) => ({
    ...prob(args),
    degree: args.number('degree', 3),
    coeffRange: args.numbers('coeff_range') ?? [0, 0.1],
  })),
  RandHistogramShift: randomly('randHistogramShift', (args) => ({
    ...prob(args),
    numControlPoints: args.numbers('num_control_points') ?? 10,
  })),
};
