import type { Component } from '../config/component.js';

import { Args } from './args.js';
import type { Problems } from './problems.js';

/** The options of the operator `inference`, without the model. */
export type InferenceOptions = Readonly<Record<string, unknown>>;

/** How the network runs over a volume: from an inferer of MONAI. Default: once, over the whole volume. */
export function translateInferer(inferer: Component | undefined, problems: Problems): InferenceOptions {
  const whole = { roiSize: [0, 0, 0], overlap: 0 };
  if (!inferer) return whole;
  const args = new Args(inferer, problems);
  const options = infererOptions(args, whole);
  args.checkAllAsked();
  return options;
}

function infererOptions(args: Args, whole: InferenceOptions): InferenceOptions {
  switch (args.component.name) {
    case 'SimpleInferer':
      return whole;
    case 'SlidingWindowInferer':
    case 'SlidingWindowInfererAdapt':
    case 'SliceInferer': {
      const axis = sliceAxisOf(args);
      // Where the work is done, and how it is shown, changes no result.
      args.ignore(
        'device',
        'sw_device',
        'progress',
        'cache_roi_weight_map',
        'cpu_thresh',
        'buffer_steps',
        'buffer_dim',
      );
      const mode = args.text('mode', 'constant');
      if (mode !== 'constant' && mode !== 'gaussian')
        args.problem(`has mode ${mode}, but it must be constant or gaussian`);
      const padding = args.text('padding_mode', 'constant');
      const overlap = args.numbers('overlap') ?? 0.25;
      const sigma = args.numbers('sigma_scale');
      args.supports('with_coord', false);
      return {
        roiSize: axis === undefined ? args.numbers('roi_size') : ofSlice(args.numbers('roi_size'), axis, 1),
        swBatchSize: args.number('sw_batch_size', 1),
        overlap: axis === undefined ? overlap : ofSlice(overlap, axis, 0),
        mode,
        ...(sigma !== undefined && { sigmaScale: sigma }),
        ...(padding !== 'constant' && { paddingMode: padding }),
        ...(args.number('cval', 0) !== 0 && { cval: args.number('cval', 0) }),
      };
    }
    default:
      args.problem(
        'is an inferer that has no counterpart; known are SlidingWindowInferer, SliceInferer and SimpleInferer',
      );
      for (const name of args.component.args.keys()) args.ignore(name);
      return whole;
  }
}

/** The axis of the slices of a `SliceInferer`: 0, 1 or 2 for x, y or z. Undefined for other inferers. */
export function sliceAxisOf(args: Args): number | undefined {
  if (args.component.name !== 'SliceInferer') return undefined;
  const axis = args.number('spatial_dim', 0);
  if (axis === 0 || axis === 1 || axis === 2) return axis;
  args.problem(`has spatial_dim ${axis}, but it must be 0, 1 or 2`);
  return 0;
}

/** Values for the two axes of a slice as values for three. */
function ofSlice(value: number | number[] | undefined, axis: number, other: number): unknown {
  if (value === undefined) return undefined;
  const pair = typeof value === 'number' ? [value, value] : value;
  return pair.length === 2 ? pair.toSpliced(axis, 0, other) : pair;
}
