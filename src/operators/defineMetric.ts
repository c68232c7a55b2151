import type { MetricDescription } from '../metrics/metric.js';
import {
  callable,
  checkOptions,
  type GivenOptions,
  type OptionTypes,
  type OptionValues,
} from '../options.js';
import { type AnyOperator, type Operator, operator } from './define.js';
import {
  describeMetric,
  type EvaluationOptions,
  evaluate,
  evaluationTypes,
  foreseeEvaluation,
  type MetricSpec,
} from './evaluation.js';

/** A value that a metric operator can give. */
export interface FoundMetric {
  readonly metric: MetricDescription;
  /** The options with which the operator gives it. */
  readonly options: object;
}

/** An operator that measures metrics, as a registry holds it. */
export interface Metric extends AnyOperator {
  /** The metrics that it measures with default options. */
  readonly metrics: readonly MetricDescription[];
  /** Whether a case without a reference fails, because none of the metrics can be measured without one. */
  readonly needsReference: boolean;
  /**
   * The metric of a name, with any options: `hausdorff` finds `hd95`. Undefined if it does not measure it.
   */
  readonly find: (name: string) => FoundMetric | undefined;
}

/** An operator that measures metrics. Use it like any other operator. */
export interface MetricOperator<T extends OptionTypes, Given = GivenOptions<T>>
  extends Operator<T, Given>,
    Metric {
  readonly options: T;
}

type EvaluationTypes = typeof evaluationTypes;

/** A metric without further options: what `defineMetric` returns. */
export type LabelMetric = MetricOperator<EvaluationTypes>;

interface MetricTexts {
  /** One sentence. Default: the title. */
  readonly summary?: string;
  /** The MONAI class that it mirrors, with every known difference. */
  readonly mirrors?: string;
}

/**
 * Defines a metric without options, and the operator of the same name that measures it. Use the operator in a
 * `pipe(…)`, or add it to a registry (`metrics` of an extension) for pipeline files and `voxstream evaluate
 * --metrics`.
 *
 * `measure` gets the two label maps, on the same grid, and for each label its voxel counts and surface
 * distances. Tables, summaries and reports show the values with the given title, unit, direction and range.
 *
 * ```ts
 * const tversky = defineMetric({
 *   name: 'tversky',
 *   title: 'Tversky index',
 *   better: 'higher',
 *   range: [0, 1],
 *   measure: ({ labels }) =>
 *     labels.map(({ overlap }) => {
 *       const { both, predicted, reference } = overlap ?? { both: 0, predicted: 0, reference: 0 };
 *       return both / (both + 0.3 * (predicted - both) + 0.7 * (reference - both));
 *     }),
 * });
 * ```
 */
export function defineMetric(spec: MetricSpec & MetricTexts): MetricOperator<EvaluationTypes> {
  const { name, title, summary = `${title} of each label.`, mirrors } = spec;
  return defineMetrics({
    name,
    summary,
    ...(mirrors && { mirrors }),
    options: { ...evaluationTypes },
    example: {},
    metrics: () => [spec],
  });
}

/** The definition of an operator that measures metrics which depend on its options, or several at once. */
export interface MetricsSpec<T extends OptionTypes & EvaluationTypes> {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** The MONAI class that it mirrors, with every known difference. */
  readonly mirrors?: string;
  /** Options, with `...evaluationTypes` among them. */
  readonly options: T;
  /** Example options, as written in a pipeline file. */
  readonly example: object;
  /** The metrics that it measures. */
  readonly metrics: (options: OptionValues<T>) => readonly MetricSpec[];
  /**
   * The options with which it measures the metric of a name: `{ percentile: 95 }` for `hd95`. Undefined if it
   * never does. Default: the default options.
   */
  readonly optionsFor?: (metric: string) => object | undefined;
}

/** Defines an operator that measures metrics which depend on its options, or several at once. */
export function defineMetrics<const T extends OptionTypes & EvaluationTypes>(
  spec: MetricsSpec<T>,
): MetricOperator<T> {
  const { metrics, optionsFor = () => ({}), ...described } = spec;
  const made = operator({
    ...described,
    forecast: (options: OptionValues<T> & EvaluationOptions) => foreseeEvaluation(options),
    create: (options: OptionValues<T> & EvaluationOptions, context) =>
      evaluate(context, options, metrics(options)),
  });
  const withOptions = (given: object) => {
    const { options } = checkOptions(spec, given);
    return options ? metrics(options) : [];
  };
  return callable(made, {
    name: spec.name,
    metrics: withOptions({}).map(describeMetric),
    needsReference: !withOptions({}).some(({ ofPrediction }) => ofPrediction),
    find(name: string) {
      const options = optionsFor(name);
      const found = options && withOptions(options).find((one) => one.name === name);
      return found && { metric: describeMetric(found), options };
    },
  });
}

/** Whether an operator measures metrics. */
export function isMetric(definition: object): definition is Metric {
  return 'metrics' in definition && 'find' in definition;
}
