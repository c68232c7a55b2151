import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import { type Case, volumeOf, withMetrics, withNotes } from '../case.js';
import type { MetricDescription, MetricValue } from '../metrics/metric.js';
import type { OptionValues } from '../options.js';
import { labelNumber } from '../optionTypes.js';
import type { Runtime } from '../runtime/runtime.js';
import type { SurfaceDistances } from '../volume/surface.js';
import type { Affine, Volume } from '../volume/volume.js';
import type { StepContext } from './define.js';
import {
  type ChosenLabels,
  chooseChannels,
  chooseLabels,
  type EvaluatedLabel,
  namesOf,
  unnamedNotes,
} from './evaluatedLabels.js';
import { checkMasks, checkPair, pairOf } from './evaluationPair.js';
import { type Forecaster, foresee, readAs } from './forecast.js';
import { chooseRegions, judgedPair } from './judgedPair.js';
import { mapCase } from './map.js';
import { matchNames } from './matchNames.js';
import { storedVolume } from './storedVolume.js';

/** The options that all metrics have. */
export const evaluationTypes = {
  pred: z.string().min(1).default('pred').describe('The volume to evaluate'),
  label: z.string().min(1).default('label').describe('The reference to compare it with'),
  labels: z
    .array(z.union([labelNumber, z.string().min(1)]))
    .min(1)
    .optional()
    .describe(
      'Labels to measure, by number or name. Default: all with names, or if there are none, all that occur; never 0',
    ),
  optional: z
    .boolean()
    .default(false)
    .describe('Leave out cases that have no reference, instead of failing them'),
  includeBackground: z.boolean().default(false).describe('Measure label 0 as well'),
  stored: z
    .boolean()
    .default(true)
    .describe('Compare with the reference as stored: if steps changed it, it is read again from its file'),
};

export type EvaluationOptions = OptionValues<typeof evaluationTypes>;

/** A prediction to measure. */
export interface PredictionEvaluation {
  /** A label map, or one mask per channel. */
  readonly prediction: Volume;
  /** Voxel index to mm, RAS+: the reference's, or the prediction's if there is no reference. */
  readonly affine: Affine;
  readonly labels: readonly EvaluatedLabel[];
  /** Voxels that the reference ignores. They are background in both volumes. */
  readonly ignored: number;
  /** Runs kernels in worker threads. */
  readonly runtime: Runtime;
}

/** A prediction to compare with its reference. Both are label maps on the same grid. */
export interface Evaluation extends PredictionEvaluation {
  readonly reference: Volume;
  /**
   * The distances between the surfaces of each of `labels`, in mm. They are computed once for all metrics.
   */
  distances(): Promise<readonly SurfaceDistances[]>;
}

type Awaitable<T> = T | Promise<T>;

/** The fields of a metric's description, with defaults. */
type DescriptionFields = Omit<MetricDescription, 'range' | 'mean'> & {
  /** Default: no limits. */
  readonly range?: MetricDescription['range'];
  /** Default: true. */
  readonly mean?: boolean;
};

/** A metric and how it is measured. */
export type MetricSpec = DescriptionFields &
  (
    | {
        readonly ofPrediction?: false;
        /** Returns one value for each of `evaluation.labels`; NaN where the metric is undefined. */
        readonly measure: (evaluation: Evaluation) => Awaitable<readonly number[]>;
      }
    | {
        /** It needs no reference: cases without one get its value too. Default: false. */
        readonly ofPrediction: true;
        /** Returns one value for each of `evaluation.labels`; NaN where the metric is undefined. */
        readonly measure: (evaluation: PredictionEvaluation) => Awaitable<readonly number[]>;
      }
  );

/** The description of a metric, without its functions. */
export function describeMetric(spec: MetricSpec): MetricDescription {
  const { name, title, unit, better, implies, mean = true } = spec;
  const { range = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] } = spec;
  return {
    name,
    title,
    ...(unit && { unit }),
    ...(better && { better }),
    range,
    mean,
    ...(implies && { implies }),
  };
}

/**
 * An operator that measures metrics of each label and adds them to the case, with their means if there are
 * several labels. A case without a reference fails, unless it is optional, or one of the metrics needs none;
 * then only those are measured.
 */
export function evaluate(
  context: StepContext,
  options: EvaluationOptions,
  metrics: readonly MetricSpec[],
): OperatorFunction<Case, Case> {
  const { runtime, id: step } = context;
  const { pred, label, optional } = options;
  const needsReference = !metrics.some(({ ofPrediction }) => ofPrediction);
  const described = metrics.map((spec) => ({ spec, metric: describeMetric(spec) }));
  return mapCase(context, 'cpu', async (subject) => {
    if (optional && needsReference && !(label in subject.volumes)) return subject;
    const given = volumeOf(subject, pred);
    const known =
      needsReference || label in subject.volumes ? await referenceOf(subject, options, runtime) : undefined;
    const names = known?.labelNames ?? subject.labelNames;
    const { notes, ...pairing } = await matchNames(given, known ?? given, names, runtime);
    const { prediction, reference: partner } = pairing;
    checkPair({ step, id: subject.id, pred, label }, prediction, partner);
    const compared = await comparedPair(subject, options, { prediction, partner, runtime });
    const pair = pairOf(compared.prediction, compared.partner, runtime);
    const overlaps = await pair.overlaps();
    const labels = compared.labels.map((one) => ({ ...one, overlap: overlaps.get(one.number) }));
    const evaluation = {
      prediction: compared.prediction,
      affine: partner.affine,
      reference: known && compared.partner,
      labels,
      ignored: compared.ignored,
      runtime,
      distances: () => pair.distances(labels),
    };
    const found: MetricValue[] = [];
    for (const { spec, metric } of described) {
      const values = await measure(spec, evaluation);
      if (values) found.push(...valuesOf(metric, labels, values));
    }
    return withMetrics(withNotes(subject, [...notes, ...compared.notes]), found);
  });
}

/** The reference of a case: as it was stored, or as steps left it. */
function referenceOf(
  subject: Case,
  { label, stored }: EvaluationOptions,
  runtime: Runtime,
): Promise<Volume> | Volume {
  const given = volumeOf(subject, label);
  return stored ? storedVolume(subject, label, given, runtime) : given;
}

/** A prediction and its reference, or itself if there is none. */
interface Given {
  readonly prediction: Volume;
  readonly partner: Volume;
  readonly runtime: Runtime;
}

/** What is compared: the volumes, as the dataset wants them judged, and their labels. */
interface Compared extends ChosenLabels, Omit<Given, 'runtime'> {
  /** Voxels that are left out because the reference ignores them. */
  readonly ignored: number;
}

async function comparedPair(
  subject: Case,
  options: EvaluationOptions,
  { prediction, partner, runtime }: Given,
): Promise<Compared> {
  const names = namesOf(subject, prediction, partner);
  const given = pairOf(prediction, partner, runtime);
  if (partner.channels > 1) {
    const masks = await given.masks();
    checkMasks(subject, options.pred, masks.prediction);
    checkMasks(subject, options.label, masks.reference);
    const known = { names, regions: subject.regions };
    const chosen = chooseChannels(options, known, partner.channels, masks.reference);
    return { ...chosen, prediction, partner, ignored: 0 };
  }
  const ignoreLabel = partner === prediction ? undefined : subject.ignoreLabel;
  const overlaps = await given.overlaps();
  const values = [...overlaps.keys()].filter((value) => value !== ignoreLabel);
  const regions = chooseRegions(subject, options, partner);
  const chosen = regions
    ? {
        // A single mask is a label map, in which the region has the value 1.
        labels: regions.map(({ name }, i) => ({ number: regions.length === 1 ? 1 : i, name })),
        notes: options.labels
          ? []
          : unnamedNotes(
              values,
              regions.flatMap(({ labels }) => labels),
            ),
      }
    : chooseLabels(options, names, values);
  const judged = await judgedPair({ prediction, reference: partner }, { regions, ignoreLabel }, runtime);
  const ignored = ignoreLabel === undefined ? 0 : (overlaps.get(ignoreLabel)?.reference ?? 0);
  return { ...chosen, prediction: judged.prediction, partner: judged.reference, ignored };
}

/** Measures a metric; undefined if it needs a reference and there is none. */
function measure(
  spec: MetricSpec,
  evaluation: Omit<Evaluation, 'reference'> & { readonly reference: Volume | undefined },
): Awaitable<readonly number[]> | undefined {
  if (spec.ofPrediction) return spec.measure(evaluation);
  const { reference } = evaluation;
  return reference && spec.measure({ ...evaluation, reference });
}

function valuesOf(
  metric: MetricDescription,
  labels: readonly EvaluatedLabel[],
  values: readonly number[],
): MetricValue[] {
  if (values.length !== labels.length) {
    throw new Error(
      `The metric ${metric.name} measured ${values.length} values for ${labels.length} labels.`,
    );
  }
  return [
    ...labels.map(({ name }, i) => ({ metric, label: name, value: values[i] })),
    ...(metric.mean && values.length > 1 ? [{ metric, label: null, value: meanOfDefined(values) }] : []),
  ];
}

function meanOfDefined(values: readonly number[]): number {
  const defined = values.filter((value) => !Number.isNaN(value));
  return defined.reduce((sum, value) => sum + value, 0) / defined.length;
}

/**
 * Forecasts a metric: if steps changed the reference, it is read again and kept for the metrics that follow.
 */
export function foreseeEvaluation({ label, stored }: EvaluationOptions): Forecaster {
  return (subject) => {
    const file = subject.files[label];
    const changed = stored && file && (subject.volumes[label]?.history.length ?? 0) > 0;
    return foresee(subject, changed ? { [`${label} as stored`]: readAs(file, 'label') } : {});
  };
}
