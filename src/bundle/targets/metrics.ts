import { listNames } from '../../errors.js';
import { Component } from '../config/component.js';
import { Dict, type Value } from '../language/values.js';
import { Args } from './args.js';
import type { Problems } from './problems.js';

/** A metric of an evaluation, under the name that the configuration gives it. */
export interface MetricTarget {
  readonly name: string;
  readonly kind: MetricKind;
  /** The keys of the prediction and the reference. */
  readonly keys: readonly [pred: string, label: string];
  readonly includeBackground: boolean;
  /** For label maps of one channel: the number of classes. */
  readonly classes?: number;
  /** Whether classes that the reference does not have are left out. */
  readonly ignoreEmpty: boolean;
  /** For distances: a percentile instead of the largest one. */
  readonly percentile?: number;
  /** For distances: from the prediction to the reference only. */
  readonly oneWay?: boolean;
}

/** What is measured: the overlap or the distance of classes, agreement, or differences of voxels. */
export type MetricKind = 'dice' | 'iou' | 'hausdorff' | 'surface' | 'accuracy' | 'mae' | 'mse' | 'rmse';

/** MONAI's handlers of metrics, and ignite's. */
const kinds: Readonly<Record<string, MetricKind>> = {
  MeanDice: 'dice',
  MeanIoUHandler: 'iou',
  HausdorffDistance: 'hausdorff',
  SurfaceDistance: 'surface',
  Accuracy: 'accuracy',
  MeanAbsoluteError: 'mae',
  MeanSquaredError: 'mse',
  RootMeanSquaredError: 'rmse',
};

/** The metrics of a map from names to handlers of metrics. */
export function translateMetrics(value: Value | undefined, id: string, problems: Problems): MetricTarget[] {
  if (value === undefined || value === null) return [];
  if (!(value instanceof Dict)) {
    problems.add(id, 'must be a map from names to metrics');
    return [];
  }
  return value.entries().flatMap(([name, metric]) => {
    if (!(metric instanceof Component)) {
      problems.add(`${id}::${String(name)}`, 'must be an object with _target_');
      return [];
    }
    return translateMetric(String(name), metric, problems) ?? [];
  });
}

function translateMetric(name: string, component: Component, problems: Problems): MetricTarget | undefined {
  const args = new Args(component, problems);
  const kind = Object.hasOwn(kinds, component.name) ? kinds[component.name] : undefined;
  if (kind === undefined) {
    args.problem(`is a metric that has no counterpart; known are ${listNames(Object.keys(kinds))}`);
    return undefined;
  }
  const keys = args.outputKeys('output_transform');
  if (keys?.length !== 2) {
    args.problem('needs output_transform: $monai.handlers.from_engine([PREDICTION, LABEL])');
    return undefined;
  }
  args.ignore('save_details', 'device');
  const target = { name, kind, keys: [keys[0], keys[1]] as const, ...settingsOf(kind, args) };
  args.supports('reduction', 'mean');
  args.supports('is_multilabel', false);
  args.checkAllAsked();
  return target;
}

type Settings = Omit<MetricTarget, 'name' | 'kind' | 'keys'>;

function settingsOf(kind: MetricKind, args: Args): Settings {
  const all = { includeBackground: true, ignoreEmpty: false };
  switch (kind) {
    case 'dice':
    case 'iou': {
      const classes = kind === 'dice' ? args.number('num_classes', undefined) : undefined;
      return {
        includeBackground: args.flag('include_background', true),
        ignoreEmpty: args.flag('ignore_empty', true),
        ...(classes !== undefined && { classes }),
      };
    }
    case 'hausdorff':
    case 'surface': {
      args.supports('distance_metric', 'euclidean');
      const oneWay = kind === 'surface' ? !args.flag('symmetric', false) : args.flag('directed', false);
      const percentile = kind === 'hausdorff' ? args.number('percentile', undefined) : undefined;
      const includeBackground = args.flag('include_background', false);
      return { ...all, includeBackground, oneWay, ...(percentile !== undefined && { percentile }) };
    }
    default:
      return all;
  }
}
