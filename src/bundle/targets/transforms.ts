import { listNames, nearestName } from '../../errors.js';
import type { Component } from '../config/component.js';
import { Lambda } from '../language/evaluate.js';
import { asInt, asNumber, type Value } from '../language/values.js';
import { Args, asFlag, listOf } from './args.js';
import { knownVoxelFunction } from './lambdas.js';
import type { Problems } from './problems.js';
import { randomTransforms } from './randomTransforms.js';
import { scriptTransforms } from './scriptTransforms.js';
import type { BundleStep } from './steps.js';
import { given, type Options, operatorFor, type TransformState, type Translator } from './translator.js';

const none: Translator = () => [];

const numberOf = (value: Value) => asNumber(value);
const textOf = (value: Value) => (typeof value === 'string' ? value : undefined);
const intOf = (value: Value) => {
  const int = asInt(value);
  return int === undefined ? undefined : Number(int);
};
/** Interpolations by MONAI's names and numbers (orders of splines). */
const interpolations: Readonly<Record<string, string>> = {
  nearest: 'nearest',
  bilinear: 'bilinear',
  trilinear: 'bilinear',
  linear: 'bilinear',
  '0': 'nearest',
  '1': 'bilinear',
};
const interpolationOf = (value: Value) => interpolations[String(value)];

const orientation = operatorFor('orient', (args) => {
  args.supports('as_closest_canonical', false);
  args.ignore('labels', 'lazy');
  return { axcodes: args.text('axcodes', 'RAS') };
});

const spacing: Translator = (args, keys, state) => {
  const pixdim = args.numbers('pixdim');
  const size = typeof pixdim === 'number' ? [pixdim, pixdim, pixdim] : pixdim;
  if (size?.length !== 3 || !size.every((mm) => mm > 0)) {
    args.problem('needs pixdim with three positive numbers in mm');
    return [];
  }
  const modes = args.perKey('mode', keys, 'bilinear', 'bilinear or nearest', interpolationOf);
  const padding = args.perKey('padding_mode', keys, 'border', 'border or zeros', (value) =>
    value === 'border' || value === 'zeros' ? value : undefined,
  );
  const [diagonal, scaleExtent] = [args.flag('diagonal', false), args.flag('scale_extent', false)];
  const [min, max] = [args.numbers('min_pixdim'), args.numbers('max_pixdim')];
  args.ignore('align_corners', 'dtype', 'recompute_affine', 'ensure_same_shape', 'lazy');
  keys.forEach((key, i) => {
    state.modes.set(key, modes[i]);
  });
  const options = keys.map((_, i) => ({
    pixdim: size,
    mode: modes[i],
    ...(padding[i] !== 'border' && { paddingMode: padding[i] }),
    ...(diagonal && { diagonal }),
    ...(scaleExtent && { scaleExtent }),
    ...(min !== undefined && { minPixdim: min }),
    ...(max !== undefined && { maxPixdim: max }),
  }));
  return operatorFor('spacing', () => options)(args, keys, state);
};

const activations: Translator = (args, keys, state) => {
  const sigmoid = args.perKey('sigmoid', keys, false, 'true or false', asFlag);
  const softmax = args.perKey('softmax', keys, false, 'true or false', asFlag);
  args.ignore('kwargs');
  if (args.value('other') !== undefined) args.problem('has other, a function that is not supported');
  const chosen = keys.filter((_, i) => sigmoid[i] || softmax[i]);
  const options = keys.flatMap((_, i): Options[] =>
    softmax[i] ? [{ softmax: true }] : sigmoid[i] ? [{ sigmoid: true }] : [],
  );
  if (keys.some((_, i) => sigmoid[i] && softmax[i])) args.problem('has both sigmoid and softmax');
  return operatorFor('activations', () => options)(args, chosen, state);
};

const asDiscrete: Translator = (args, keys, state) => {
  const argmax = args.perKey('argmax', keys, false, 'true or false', asFlag);
  const toOnehot = args.perKey<number | undefined>(
    'to_onehot',
    keys,
    undefined,
    'a number of classes',
    intOf,
  );
  const threshold = args.perKey<number | undefined>('threshold', keys, undefined, 'a number', numberOf);
  const rounding = args.perKey<string | undefined>('rounding', keys, undefined, 'torchrounding', textOf);
  args.ignore('dim', 'keepdim', 'dtype', 'kwargs');
  const each = keys.map((key, i) => ({
    key,
    options: {
      ...(argmax[i] && { argmax: true }),
      ...(toOnehot[i] !== undefined && { toOnehot: toOnehot[i] }),
      ...(threshold[i] !== undefined && { threshold: threshold[i] }),
      ...(rounding[i] !== undefined && { rounding: rounding[i] }),
    },
  }));
  const work = each.filter(({ options }) => Object.keys(options).length > 0);
  for (const { key } of work) state.labels.add(key);
  return operatorFor('asDiscrete', () => work.map(({ options }) => options))(
    args,
    work.map(({ key }) => key),
    state,
  );
};

const invert: Translator = (args, keys, state) => {
  const origin = args.perKey(
    'orig_keys',
    keys,
    '',
    'the key of the volume whose transforms are undone',
    textOf,
  );
  const nearest = args.perKey('nearest_interp', keys, true, 'true or false', asFlag);
  args.ignore(
    'to_tensor',
    'device',
    'meta_keys',
    'orig_meta_keys',
    'meta_key_postfix',
    'transform',
    'support_ops',
  );
  args.supports('post_func', 'lambda x: x');
  const options = keys.map((key, i) => {
    const like = origin[i] || key;
    // Without nearest_interp, MONAI interpolates as the transforms did on the way there.
    const byNearest = nearest[i] || state.modes.get(like) === 'nearest';
    return {
      like,
      ...(byNearest && { nearestInterp: true }),
      ...(!byNearest && state.labels.has(key) && { interpolateLabels: true }),
    };
  });
  keys.forEach((key, i) => {
    if (!options[i].nearestInterp) state.labels.delete(key);
  });
  return operatorFor('invert', () => options)(args, keys, state);
};

const load: Translator = (args, keys, state) => {
  args.ignore(
    'reader',
    'dtype',
    'meta_keys',
    'meta_key_postfix',
    'overwriting',
    'image_only',
    'ensure_channel_first',
    'simple_keys',
    'prune_meta_pattern',
    'prune_meta_sep',
    'expanduser',
  );
  for (const key of keys) state.sources.set(key, key);
  return [
    {
      kind: 'operator',
      name: 'load',
      options: { keys: [...keys], labelKeys: [], nonFinite: true },
      id: args.id,
    },
  ];
};

const splitDim: Translator = (args, keys, state) => {
  const postfixes = args.texts('output_postfixes', []);
  args.supports('dim', 0);
  args.supports('keepdim', true);
  args.supports('list_output', false);
  args.ignore('update_meta');
  if (postfixes.length === 0) args.problem('needs output_postfixes');
  return keys.flatMap((key) =>
    postfixes.flatMap((postfix, channel): BundleStep[] => {
      const to = `${key}_${postfix}`;
      state.sources.set(to, state.sources.get(key) ?? key);
      if (state.labels.has(key)) state.labels.add(to);
      return [
        { kind: 'operator', name: 'copyItems', options: { keys: key, names: to }, id: args.id },
        { kind: 'operator', name: 'selectChannels', options: { channels: channel, keys: to }, id: args.id },
      ];
    }),
  );
};

const copyItems: Translator = (args, keys, state) => {
  const names = args.texts('names', []);
  const times = args.number('times', 1);
  if (names.length !== keys.length * times)
    args.problem(`has ${names.length} names for ${keys.length * times} copies`);
  const from = names.map((_, i) => keys[i % keys.length]);
  names.forEach((to, i) => {
    state.sources.set(to, state.sources.get(from[i]) ?? from[i]);
    if (state.labels.has(from[i])) state.labels.add(to);
  });
  return [{ kind: 'operator', name: 'copyItems', options: { keys: from, names: [...names] }, id: args.id }];
};

const concatItems: Translator = (args, keys, state) => {
  const name = args.text('name', 'image');
  args.supports('dim', 0);
  state.sources.set(name, state.sources.get(keys[0]) ?? keys[0]);
  return [{ kind: 'operator', name: 'concatItems', options: { keys: [...keys], name }, id: args.id }];
};

const lambda: Translator = (args, keys, state) => {
  const given = args.value('func');
  const functions = (given === undefined ? undefined : listOf(given)) ?? keys.map(() => given ?? null);
  args.supports('overwrite', true);
  args.ignore('track_meta', 'inv_func');
  return keys.flatMap((key, i): BundleStep[] => {
    const function_ = functions[i];
    const text = function_ instanceof Lambda ? function_.text : undefined;
    const form = text === undefined ? undefined : knownVoxelFunction(text);
    if (form === undefined) {
      args.problem(
        `has the function ${text === undefined ? 'that is not a lambda' : `"${text}"`}, which is not among the known ones`,
      );
      return [];
    }
    state.labels.delete(key);
    return form === 'identity' ? [] : [{ kind: 'voxels', function: { name: form }, key, id: args.id }];
  });
};

const save: Translator = (args, keys, state) => {
  const settings = {
    folder: args.text('output_dir', './'),
    postfix: args.text('output_postfix', 'trans'),
    extension: args.text('output_ext', '.nii.gz'),
    separateFolder: args.flag('separate_folder', true),
    dataRoot: args.text('data_root_dir', ''),
    resample: args.flag('resample', true),
    interpolation: args.perKey('mode', ['one'], 'nearest', 'nearest or bilinear', interpolationOf)[0],
    padding: args.text('padding_mode', 'border'),
  };
  // An output_dtype of None keeps the type of the voxels; without one, float32 is written.
  const stated = args.component.args.has('output_dtype') && args.component.args.get('output_dtype') === null;
  const dtype = stated ? undefined : (args.voxelType('output_dtype') ?? 'float32');
  args.ignore(
    'output_dtype',
    'dtype',
    'print_log',
    'meta_keys',
    'meta_key_postfix',
    'squeeze_end_dims',
    'writer',
    'savepath_in_metadict',
  );
  args.supports('scale');
  args.supports('output_name_formatter');
  args.supports('folder_layout');
  args.supports('channel_dim', 0);
  args.supports('output_format', '');
  if (!/^\.nii(\.gz)?$/.test(settings.extension)) {
    args.problem(`has output_ext "${settings.extension}", but only .nii and .nii.gz are written`);
  }
  return keys.map((key) => ({
    kind: 'save',
    id: args.id,
    save: {
      ...settings,
      interpolation: settings.interpolation === 'bilinear' ? 'bilinear' : 'nearest',
      padding: settings.padding === 'zeros' ? 'zeros' : 'border',
      key,
      source: state.sources.get(key) ?? 'image',
      ...(dtype !== undefined && { dtype }),
    },
  }));
};

/** Types are not changed here: steps compute in float32, and what is written has its own type. */
const cast: Translator = (args, keys) => {
  args.perKey('dtype', keys, 'float32', 'the name of a data type', () => 'float32');
  args.ignore('data_type', 'device', 'wrap_sequence', 'track_meta', 'output_type');
  return [];
};

const padMode = (args: Args) => {
  const mode = args.text('mode', 'constant');
  const known: Readonly<Record<string, string>> = {
    constant: 'constant',
    edge: 'edge',
    reflect: 'reflect',
    replicate: 'replicate',
    circular: 'circular',
    wrap: 'wrap',
    symmetric: 'symmetric',
  };
  if (!known[mode]) args.problem(`has mode ${mode}, which is not supported`);
  const value = args.number('value', undefined) ?? args.number('constant_values', undefined);
  args.ignore('lazy');
  return { ...(mode !== 'constant' && { mode: known[mode] }), ...(value !== undefined && { value }) };
};

const cropForeground: Translator = (args, keys, state) => {
  const select = args.value('select_fn');
  const positive = !(select instanceof Lambda) || /^lambda (\w+): \1 > 0(\.0)?$/.test(select.text);
  if (!positive) args.problem(`has select_fn "${(select as Lambda).text}", but only x > 0 is supported`);
  args.ignore('mode', 'start_coord_key', 'end_coord_key', 'return_coords', 'lazy');
  const margin = args.numbers('margin');
  const kDivisible = args.numbers('k_divisible');
  const channels = args.integers('channel_indices');
  const options = {
    sourceKey: args.text('source_key', 'image'),
    ...(margin !== undefined && { margin }),
    ...(kDivisible !== undefined && { kDivisible }),
    ...(channels && { channelIndices: channels }),
    allowSmaller: args.flag('allow_smaller', true),
  };
  return operatorFor('cropForeground', () => options)(args, keys, state);
};

const resize = operatorFor('resize', (args, keys) => {
  const modes = args.perKey('mode', keys, 'area', 'nearest, trilinear or area', (value) => {
    const name = value === 'bilinear' || value === 'linear' ? 'trilinear' : String(value);
    return ['nearest', 'nearest-exact', 'trilinear', 'area'].includes(name) ? name : undefined;
  });
  const align = args.perKey('align_corners', keys, false, 'true or false', asFlag);
  const smooth = args.perKey('anti_aliasing', keys, false, 'true or false', asFlag);
  args.ignore('dtype', 'lazy');
  const sigma = args.numbers('anti_aliasing_sigma');
  return keys.map((_, i) => ({
    spatialSize: args.numbers('spatial_size'),
    sizeMode: args.text('size_mode', 'all'),
    mode: modes[i],
    ...(align[i] && { alignCorners: true }),
    ...(smooth[i] && { antiAliasing: true, ...(sigma !== undefined && { antiAliasingSigma: sigma }) }),
  }));
});

/** MONAI's dictionary transforms without the letter at their end, and what they become. */
export const transforms: Readonly<Record<string, Translator>> = {
  LoadImage: load,
  EnsureChannelFirst: (args) => {
    args.ignore('meta_keys', 'meta_key_postfix', 'strict_check', 'channel_dim');
    return [];
  },
  AddChannel: none,
  AsChannelFirst: (args) => {
    args.ignore('channel_dim');
    return [];
  },
  EnsureType: cast,
  CastToType: cast,
  ToTensor: cast,
  ToDevice: cast,
  ToNumpy: cast,
  Identity: none,
  SelectItems: (_args, keys, state) => {
    for (const key of state.sources.keys()) if (!keys.includes(key)) state.sources.delete(key);
    return [];
  },
  DeleteItems: (args, keys, state) => {
    args.ignore('sep', 'use_re');
    for (const key of keys) state.sources.delete(key);
    return [];
  },
  Orientation: orientation,
  Spacing: spacing,
  ScaleIntensityRange: operatorFor('scaleIntensityRange', (args) => {
    args.ignore('dtype');
    return given({
      aMin: args.number('a_min', undefined),
      aMax: args.number('a_max', undefined),
      bMin: args.number('b_min', undefined),
      bMax: args.number('b_max', undefined),
      clip: args.flag('clip', false),
    });
  }),
  ScaleIntensity: operatorFor('scaleIntensity', (args) => {
    args.ignore('dtype');
    const isNull = (name: string) => args.component.args.has(name) && args.component.args.get(name) === null;
    return given({
      minv: isNull('minv') ? null : args.number('minv', 0),
      maxv: isNull('maxv') ? null : args.number('maxv', 1),
      factor: args.number('factor', undefined),
      channelWise: args.flag('channel_wise', false),
    });
  }),
  ScaleIntensityRangePercentiles: operatorFor('scaleIntensityRangePercentiles', (args) => {
    args.ignore('dtype');
    return given({
      lower: args.number('lower', undefined),
      upper: args.number('upper', undefined),
      bMin: args.number('b_min', undefined),
      bMax: args.number('b_max', undefined),
      clip: args.flag('clip', false),
      relative: args.flag('relative', false),
      channelWise: args.flag('channel_wise', false),
    });
  }),
  NormalizeIntensity: operatorFor('normalizeIntensity', (args) => {
    args.ignore('dtype');
    return given({
      subtrahend: args.numbers('subtrahend'),
      divisor: args.numbers('divisor'),
      nonzero: args.flag('nonzero', false),
      channelWise: args.flag('channel_wise', false),
    });
  }),
  ThresholdIntensity: operatorFor('thresholdIntensity', (args) =>
    given({
      threshold: args.number('threshold', undefined),
      above: args.flag('above', true),
      cval: args.number('cval', 0),
    }),
  ),
  AdjustContrast: operatorFor('adjustContrast', (args) =>
    given({
      gamma: args.number('gamma', undefined),
      invertImage: args.flag('invert_image', false),
      retainStats: args.flag('retain_stats', false),
    }),
  ),
  HistogramNormalize: operatorFor('histogramNormalize', (args) => {
    args.ignore('dtype');
    return given({
      numBins: args.number('num_bins', 256),
      min: args.number('min', 0),
      max: args.number('max', 255),
      maskKey: args.text('mask_key', undefined),
    });
  }),
  GaussianSmooth: operatorFor('gaussianSmooth', (args) =>
    given({ sigma: args.numbers('sigma'), approx: args.text('approx', 'erf') }),
  ),
  CropForeground: cropForeground,
  CenterSpatialCrop: operatorFor('centerCrop', (args) => {
    args.ignore('lazy');
    return given({ roiSize: args.numbers('roi_size') });
  }),
  SpatialCrop: operatorFor('spatialCrop', (args) => {
    args.ignore('lazy');
    return given({
      roiStart: args.numbers('roi_start'),
      roiEnd: args.numbers('roi_end'),
      roiCenter: args.numbers('roi_center'),
      roiSize: args.numbers('roi_size'),
    });
  }),
  SpatialPad: operatorFor('spatialPad', (args) =>
    given({
      spatialSize: args.numbers('spatial_size'),
      method: args.text('method', 'symmetric'),
      ...padMode(args),
    }),
  ),
  ResizeWithPadOrCrop: operatorFor('resizeWithPadOrCrop', (args) =>
    given({
      spatialSize: args.numbers('spatial_size'),
      method: args.text('method', 'symmetric'),
      ...padMode(args),
    }),
  ),
  DivisiblePad: operatorFor('divisiblePad', (args) =>
    given({ k: args.numbers('k'), method: args.text('method', 'symmetric'), ...padMode(args) }),
  ),
  BorderPad: operatorFor('borderPad', (args) =>
    given({ spatialBorder: args.numbers('spatial_border'), ...padMode(args) }),
  ),
  Resize: resize,
  Flip: operatorFor('flip', (args) => {
    args.ignore('lazy');
    return given({ spatialAxis: args.numbers('spatial_axis') });
  }),
  Rotate90: operatorFor('rotate90', (args) => {
    args.ignore('lazy');
    return given({ k: args.number('k', 1), spatialAxes: args.numbers('spatial_axes') });
  }),
  ConcatItems: concatItems,
  CopyItems: copyItems,
  SplitDim: splitDim,
  Lambda: lambda,
  Activations: activations,
  AsDiscrete: asDiscrete,
  Invert: invert,
  KeepLargestConnectedComponent: operatorFor('keepLargestComponent', (args) => {
    args.ignore('is_onehot');
    return given({
      appliedLabels: args.integers('applied_labels'),
      independent: args.flag('independent', true),
      connectivity: args.number('connectivity', undefined),
      numComponents: args.number('num_components', 1),
    });
  }),
  RemoveSmallObjects: operatorFor('removeSmallObjects', (args) => {
    args.ignore('pixdim');
    return given({
      minSize: args.number('min_size', 64),
      connectivity: args.number('connectivity', 1),
      independentChannels: args.flag('independent_channels', true),
      byMeasure: args.flag('by_measure', false),
    });
  }),
  FillHoles: operatorFor('fillHoles', (args) =>
    given({
      appliedLabels: args.integers('applied_labels'),
      connectivity: args.number('connectivity', undefined),
    }),
  ),
  LabelToContour: operatorFor('labelToContour', (args) => {
    args.supports('kernel_type', 'Laplace');
    return {};
  }),
  MapLabelValue: operatorFor('mapLabels', (args) => {
    const [from, to] = [args.integers('orig_labels') ?? [], args.integers('target_labels') ?? []];
    args.ignore('dtype');
    return { map: Object.fromEntries(from.map((label, i) => [label, to[i]])) };
  }),
  ConvertToMultiChannelBasedOnBratsClasses: operatorFor('convertToMultiChannelBrats', () => ({})),
  SaveImage: save,
  ...randomTransforms,
};

/** The transform's name without `d`, `D` or `Dict`, or undefined if it works on no dictionary. */
export function baseName(name: string): string | undefined {
  return /^(\w+?)(?:d|D|Dict)$/.exec(name)?.[1];
}

/** Translates transforms into steps. What has no counterpart is added to the problems. */
export function translateTransforms(
  list: readonly Component[],
  state: TransformState,
  problems: Problems,
): BundleStep[] {
  return list.flatMap((component) => {
    const args = new Args(component, problems);
    const base = baseName(component.name);
    const translator =
      scriptTransforms.get(component.name) ??
      (base !== undefined && Object.hasOwn(transforms, base) ? transforms[base] : undefined);
    if (!translator) {
      const near = nearestName(
        component.name,
        Object.keys(transforms).map((name) => `${name}d`),
      );
      problems.add(
        component.id,
        `is ${component.target}, which has no counterpart${near ? ` (known is ${near})` : ''}`,
      );
      return [];
    }
    const all = args.texts('keys', []);
    const lenient = args.flag('allow_missing_keys', false);
    const loading = base === 'LoadImage' && state.anyKey;
    const missing = all.filter((key) => !loading && !state.sources.has(key));
    const keys = lenient ? all.filter((key) => state.sources.has(key)) : all;
    if (!lenient && missing.length > 0 && base !== 'DeleteItems' && base !== 'SelectItems') {
      args.problem(
        `works on ${listNames(missing)}, but the cases have ${listNames([...state.sources.keys()])}`,
      );
      return [];
    }
    const steps = translator(args, keys, state);
    args.checkAllAsked();
    return steps;
  });
}
