import { Component } from '../config/component.js';
import { Dict, type Value } from '../language/values.js';
import { Args } from './args.js';
import type { Problems } from './problems.js';

/** A metric of an evaluation, under the name that the configuration gives it. */
export interface MetricTarget {
  readonly name: string;
  readonly kind: 'dice' | 'iou' | 'accuracy';
  /** The keys of the prediction and the reference. */
  readonly keys: readonly [pred: string, label: string];
  readonly includeBackground: boolean;
  /** For label maps of one channel: the number of classes. */
  readonly classes?: number;
  /** Whether classes that the reference does not have are left out. */
  readonly ignoreEmpty: boolean;
}

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
  const kind = ({ MeanDice: 'dice', MeanIoUHandler: 'iou', Accuracy: 'accuracy' } as const)[
    component.name as 'MeanDice' | 'MeanIoUHandler' | 'Accuracy'
  ];
  if (kind === undefined) {
    args.problem('is a metric that has no counterpart; known are MeanDice, MeanIoUHandler and Accuracy');
    return undefined;
  }
  const keys = args.outputKeys('output_transform');
  if (keys?.length !== 2) {
    args.problem('needs output_transform: $monai.handlers.from_engine([PREDICTION, LABEL])');
    return undefined;
  }
  args.ignore('save_details', 'device');
  const classes = kind === 'accuracy' ? undefined : args.number('num_classes', undefined);
  const target: MetricTarget = {
    name,
    kind,
    keys: [keys[0], keys[1]],
    includeBackground: args.flag('include_background', true),
    ignoreEmpty: args.flag('ignore_empty', true),
    ...(classes !== undefined && { classes }),
  };
  args.supports('reduction', 'mean');
  args.supports('is_multilabel', false);
  args.checkAllAsked();
  return target;
}
