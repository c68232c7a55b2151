import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import { type Case, volumeOf, withMetrics } from '../case.js';
import { DataError, listNames, show, unknownName } from '../errors.js';
import type { OptionValues } from '../options.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import type { Overlap } from '../volume/overlap.js';
import { countOverlaps } from '../volume/overlap.js';
import type { SurfaceDistances } from '../volume/surface.js';
import { surfaceDistances } from '../volume/surface.js';
import type { Volume } from '../volume/volume.js';
import type { StepContext } from './define.js';
import { type Forecaster, foresee, readAs } from './forecast.js';
import { readVolumeTask } from './load.js';
import { mapCase } from './map.js';

const countOverlapsTask = task(new URL('../volume/overlap.js', import.meta.url), countOverlaps);
const surfaceDistancesTask = task(new URL('../volume/surface.js', import.meta.url), surfaceDistances);

/** The types of the options that all metrics have. */
export const evaluationTypes = {
  pred: z.string().min(1).default('pred').describe('The volume to judge'),
  label: z.string().min(1).default('label').describe('The reference to judge it by'),
  labels: z
    .array(z.union([z.int().min(0), z.string().min(1)]))
    .min(1)
    .optional()
    .describe(
      'Labels to evaluate, by number or name. Default: those with names, else all that occur, without 0',
    ),
  includeBackground: z.boolean().default(false).describe('Evaluate label 0 as well'),
  stored: z
    .boolean()
    .default(true)
    .describe('Take the reference as stored, read anew if steps changed it, not as they left it'),
};

/** The options that all metrics have. */
export type EvaluationOptions = OptionValues<typeof evaluationTypes>;

/** A label of a prediction and its reference. */
export interface EvaluatedLabel {
  readonly number: number;
  /** Its name, or its number where no name is known. */
  readonly name: string;
  /** Where it is; undefined when it is in neither. */
  readonly overlap: Overlap | undefined;
}

/** A prediction and its reference, label maps on the same grid. */
export interface Evaluation {
  readonly prediction: Volume;
  /** Undefined for a case that has none, where the metric allows it. */
  readonly reference: Volume | undefined;
  readonly labels: readonly EvaluatedLabel[];
  /** The surface distances of each of `labels`, worked out once for all metrics of a prediction. */
  distances(): Promise<readonly SurfaceDistances[]>;
}

/** Values of a metric, one for each label, under the name that its columns begin with. */
export interface MetricValues {
  readonly metric: string;
  readonly values: readonly number[];
  /** Add a column with the mean over the labels, undefined ones left out. */
  readonly mean?: boolean;
}

/**
 * An operator that adds metrics to a case: columns `METRIC_LABEL`, and `METRIC_mean` over more than one label. A case
 * without a reference fails, unless the metric says of the prediction alone what it can.
 */
export function evaluate(
  context: StepContext,
  options: EvaluationOptions,
  measure: (evaluation: Evaluation) => readonly MetricValues[] | Promise<readonly MetricValues[]>,
  { needsReference = true } = {},
): OperatorFunction<Case, Case> {
  const { pred, label, stored } = options;
  return mapCase(context, 'cpu', async (subject) => {
    const prediction = volumeOf(subject, pred);
    let reference: Volume | undefined;
    if (needsReference || label in subject.volumes) {
      const given = volumeOf(subject, label);
      reference = stored ? await storedVolume(subject, label, given, context.runtime) : given;
    }
    const partner = reference ?? prediction;
    checkPair(subject, options, prediction, partner, context.id);
    const pair = pairOf(prediction, partner, context.runtime);
    const labels = chooseLabels(subject, options, prediction, partner, await pair.overlaps());
    const found = await measure({ prediction, reference, labels, distances: () => pair.distances(labels) });
    return withMetrics(subject, columnsOf(labels, found));
  });
}

function columnsOf(
  labels: readonly EvaluatedLabel[],
  found: readonly MetricValues[],
): Record<string, number> {
  const columns: Record<string, number> = {};
  for (const { metric, values, mean } of found) {
    labels.forEach(({ name }, i) => {
      columns[`${metric}_${name}`] = values[i];
    });
    if (mean && values.length > 1) columns[`${metric}_mean`] = meanOfDefined(values);
  }
  return columns;
}

function meanOfDefined(values: readonly number[]): number {
  const defined = values.filter((value) => !Number.isNaN(value));
  return defined.reduce((sum, value) => sum + value, 0) / defined.length;
}

const storedVolumes = new WeakMap<Volume, Promise<Volume>>();

/** A volume as it is in its file: the volume itself, or when steps have changed it, read anew. */
export function storedVolume(
  subject: Case,
  key: string,
  volume: Volume,
  runtime: Runtime,
): Promise<Volume> | Volume {
  if (volume.history.length === 0) return volume;
  const file = subject.files[key];
  if (!file) {
    throw new DataError(
      `Metrics compare with ${key} as it was stored, but steps changed it (${listNames(volume.history.map(({ step }) => step))}) ` +
        `and case ${subject.id} has no file to read it from again. Give these steps other "keys", or set stored: false.`,
    );
  }
  let reading = storedVolumes.get(volume);
  if (!reading) {
    const { labelNames } = volume;
    reading = runtime.run(readVolumeTask, file, { kind: 'label' }).then((read) => ({ ...read, labelNames }));
    storedVolumes.set(volume, reading);
  }
  return reading;
}

/** Forecasts a metric: where steps changed the reference, it is read anew, and kept for the metrics that follow. */
export function foreseeEvaluation({ label, stored }: EvaluationOptions): Forecaster {
  return (subject) => {
    const file = subject.files[label];
    const changed = stored && file && (subject.volumes[label]?.history.length ?? 0) > 0;
    return foresee(subject, changed ? { [`${label} as stored`]: readAs(file, 'label') } : {});
  };
}

/** Throws DataError unless both are label maps with as many channels, on the same grid. */
function checkPair(
  subject: Case,
  { pred, label }: EvaluationOptions,
  prediction: Volume,
  reference: Volume,
  step: string,
): void {
  for (const [key, { kind }] of [
    [pred, prediction],
    [label, reference],
  ] as const) {
    if (kind === 'label') continue;
    throw new DataError(
      `${step} compares label maps, but ${key} of case ${subject.id} holds ${kind === 'image' ? 'an image' : kind}. ` +
        (kind === 'image'
          ? `Have load read it as labels: { labelKeys: [${key}] }.`
          : `Put asDiscrete before ${step}.`),
    );
  }
  if (prediction.channels !== reference.channels) {
    throw new DataError(
      `${step}: in case ${subject.id}, ${pred} has ${prediction.channels} channel(s), but ${label} has ` +
        `${reference.channels}. Compare label maps of one channel (asDiscrete: { argmax: true }), or as many masks.`,
    );
  }
  if (sameGrid(prediction, reference)) return;
  const sizesDiffer = prediction.size.some((n, axis) => n !== reference.size[axis]);
  const tell = ({ size, affine }: Volume) =>
    sizesDiffer
      ? `${size.join(' x ')} voxels`
      : `the affine ${show(
          affine.map((value) => Number(value.toPrecision(6))),
          300,
        )}`;
  throw new DataError(
    `${step}: ${pred} and ${label} of case ${subject.id} lie on different grids: ${pred} has ${tell(prediction)}, ` +
      `${label} as stored has ${tell(reference)}. Put "invert" before ${step} to bring ${pred} back to the grid of the ` +
      'file, or for finished files use "voxstream evaluate --resample".',
  );
}

interface Pair {
  overlaps(): Promise<ReadonlyMap<number, Overlap>>;
  distances(labels: readonly EvaluatedLabel[]): Promise<readonly SurfaceDistances[]>;
}

const pairs = new WeakMap<Volume, WeakMap<Volume, Pair>>();

/** What is worked out once for a prediction and its reference, and kept as long as both are. */
function pairOf(prediction: Volume, reference: Volume, runtime: Runtime): Pair {
  const ofPrediction = pairs.get(prediction) ?? new WeakMap<Volume, Pair>();
  pairs.set(prediction, ofPrediction);
  const known = ofPrediction.get(reference);
  if (known) return known;
  let overlaps: Promise<ReadonlyMap<number, Overlap>> | undefined;
  const distances = new Map<number, SurfaceDistances>();
  const pair: Pair = {
    overlaps: () => (overlaps ??= runtime.run(countOverlapsTask, prediction, reference)),
    async distances(labels) {
      const wanted = labels.flatMap(({ number, overlap }) =>
        overlap && !distances.has(number) ? [{ label: number, box: overlap.box }] : [],
      );
      if (wanted.length > 0) {
        const found = await runtime.run(surfaceDistancesTask, prediction, reference, wanted);
        wanted.forEach(({ label }, i) => {
          distances.set(label, found[i]);
        });
      }
      return labels.map(({ number }) => distances.get(number) ?? nowhere);
    },
  };
  ofPrediction.set(reference, pair);
  return pair;
}

const nowhere: SurfaceDistances = { toReference: new Float64Array(0), toPrediction: new Float64Array(0) };

function chooseLabels(
  subject: Case,
  { labels, includeBackground }: EvaluationOptions,
  prediction: Volume,
  reference: Volume,
  overlaps: ReadonlyMap<number, Overlap>,
): EvaluatedLabel[] {
  const names = reference.labelNames ?? subject.labelNames ?? prediction.labelNames;
  const numbers = new Set<number>(includeBackground ? [0] : []);
  if (labels) for (const label of labels) numbers.add(labelNumber(label, names));
  else {
    const { channels } = reference;
    const all = names
      ? Object.keys(names).map(Number)
      : channels > 1
        ? Array(channels).keys()
        : overlaps.keys();
    for (const label of all) if (label !== 0) numbers.add(label);
    // Two empty masks of a task without names: its label is most likely 1, and undefined says more than no column.
    if (numbers.size === 0) numbers.add(1);
  }
  return [...numbers].map((number) => ({
    number,
    name: names?.[number] ?? String(number),
    overlap: overlaps.get(number),
  }));
}

function labelNumber(label: number | string, names: Readonly<Record<number, string>> = {}): number {
  if (typeof label === 'number') return label;
  const found = Object.entries(names).find(([, name]) => name === label);
  if (!found) throw new DataError(`labels: ${unknownName('label', label, Object.values(names))}`);
  return Number(found[0]);
}
