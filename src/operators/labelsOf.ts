import { concatMap, type OperatorFunction, of } from 'rxjs';
import { type Case, onlyKey, withVolumes } from '../case.js';
import type { ValuesOf } from '../options.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import { allocateLabels } from '../volume/classes.js';
import {
  canLabel,
  type Decision,
  foregroundExtent,
  joinBoxes,
  labelSliceCount,
  labelSlices,
  largestLabel,
} from '../volume/labels.js';
import { type Grid, type HistoryStep, type Volume, voxelCount } from '../volume/volume.js';
import { activations } from './activations.js';
import { asDiscrete } from './asDiscrete.js';
import type { StepContext } from './define.js';
import { type Forecaster, foresee, type VolumeForecast } from './forecast.js';
import { type Fusion, optionsFor, type PlacedStep } from './fusion.js';
import { invert } from './invert.js';
import { mapCase } from './map.js';
import { inParts } from './parts.js';
import { regionLabels } from './regionLabels.js';

const foregroundExtentTask = task(new URL('../volume/labels.js', import.meta.url), foregroundExtent);
const labelSlicesTask = task(new URL('../volume/labels.js', import.meta.url), labelSlices);

/** Consecutive steps that make a label map from logits. */
export interface LabelSteps {
  /** How many steps these are. */
  readonly count: number;
  /** The volume that they change. */
  readonly key: string;
  readonly decision: Decision;
  /** The volume whose geometric steps are undone before the labels are made, if any. */
  readonly like: string | undefined;
}

/**
 * Recognizes `activations` (softmax), `invert` and `asDiscrete` (argmax) of one volume, in this order, or
 * `invert` and `regionLabels`. `activations` and `invert` are optional.
 */
export function labelSteps(steps: readonly PlacedStep[]): LabelSteps | undefined {
  let count = 0;
  const activate = optionsFor(steps[count], activations);
  if (activate) count++;
  const undo = optionsFor(steps[count], invert);
  if (undo) count++;
  const argmax = optionsFor(steps[count], asDiscrete);
  const regions = optionsFor(steps[count], regionLabels);
  if (!regions && !(argmax && onlyArgmax(argmax))) return undefined;
  if (undo?.nearestInterp || (activate && (!activate.softmax || regions))) return undefined;
  const used = [activate, undo, argmax, regions].filter((options) => options !== undefined);
  const [key, ...others] = new Set(used.map((options) => onlyKey(options.keys ?? 'pred')));
  if (others.length > 0 || key === undefined) return undefined;
  const decision = { softmax: activate !== undefined, ...(regions && { regions: regions.labels }) };
  return { count: count + 1, key, decision, like: undo?.like };
}

function onlyArgmax({ argmax, toOnehot, threshold, rounding }: ValuesOf<typeof asDiscrete>): boolean {
  return argmax && toOnehot === undefined && threshold === undefined && rounding === undefined;
}

/**
 * Runs `activations` (softmax), `invert` and `asDiscrete` (argmax) of one volume in one pass on all worker
 * threads; or `invert` and `asDiscrete` or `regionLabels`, where logits are interpolated. It never holds all
 * channels at full resolution. A case that one pass cannot process (sheared affines) goes through the
 * separate steps.
 */
export const labelsFusion: Fusion = (steps) => {
  const found = labelSteps(steps);
  if (!found || found.like === undefined) return undefined;
  return [
    {
      count: found.count,
      create: (context, each) => labelsOf(found, each, context),
      forecast: (runtime, each) => foreseeLabels(found, each, runtime),
    },
  ];
};

/**
 * The geometric steps that label steps undo, if they can do so in one pass; undefined if they cannot. None
 * for label steps that undo nothing.
 */
export function undoneSteps<V extends Grid & { readonly history: readonly HistoryStep[] }>(
  { like }: LabelSteps,
  logits: Grid,
  volumes: Readonly<Record<string, V>>,
): readonly HistoryStep[] | undefined {
  if (like === undefined) return [];
  const reference = volumes[like];
  const possible = reference && sameGrid(logits, reference) && canLabel(logits, reference.history);
  return possible ? reference.history : undefined;
}

function labelsOf(
  steps: LabelSteps,
  each: readonly OperatorFunction<Case, Case>[],
  context: StepContext,
): OperatorFunction<Case, Case> {
  const history = ({ volumes }: Case) => {
    const logits = volumes[steps.key];
    if (logits?.kind !== 'logits' || !fits(logits.channels, steps.decision)) return undefined;
    return undoneSteps(steps, logits, volumes);
  };
  const onePass = mapCase(context, 'cpu', async (subject) =>
    withVolumes(subject, {
      [steps.key]: await label(subject.volumes[steps.key], history(subject) ?? [], steps.decision, context),
    }),
  );
  return concatMap((subject) =>
    history(subject)
      ? of(subject).pipe(onePass)
      : each.reduce((stream, step) => stream.pipe(step), of(subject)),
  );
}

/**
 * Predicts one pass: only the label map, plus two slices of all channels per part of the work. Where one pass
 * is not possible, it returns what `each` predicts for the separate steps.
 */
function foreseeLabels(steps: LabelSteps, each: Forecaster, { lanes }: Runtime): Forecaster {
  return (subject) => {
    const { volumes, peak } = each(subject);
    const logits = subject.volumes[steps.key];
    const history = logits?.kind === 'logits' && undoneSteps(steps, logits, subject.volumes);
    if (!history) return { ...subject, volumes, peak };
    return foresee(
      subject,
      { [steps.key]: volumes[steps.key] },
      lanes.cpu.width * sliceBytes(logits, history),
    );
  };
}

/** The memory that labelling takes at a time: two slices of all channels, in bytes. */
export function sliceBytes(logits: VolumeForecast, history: readonly HistoryStep[]): number {
  const [nx, ny] = history.at(-1)?.from.size ?? logits.size;
  return logits.channels * nx * ny * 2 * Float64Array.BYTES_PER_ELEMENT;
}

/** Whether there is a channel for each label that may come out. */
export function fits(channels: number, { regions }: Decision): boolean {
  return regions ? channels === regions.length : channels > 1;
}

async function label(
  logits: Volume,
  history: readonly HistoryStep[],
  decision: Decision,
  { runtime }: StepContext,
): Promise<Volume> {
  const { size, affine } = history[0]?.from ?? logits;
  const data = allocateLabels(largestLabel(logits.channels, decision), voxelCount(size));
  const boxes = await inParts(runtime, logits.size[2], (from, to) =>
    runtime.run(foregroundExtentTask, logits, from, to, decision.regions !== undefined),
  );
  const extent = boxes.reduce(joinBoxes, undefined);
  if (extent) {
    await inParts(runtime, labelSliceCount(logits, history), (from, to) =>
      runtime.run(labelSlicesTask, logits, history, extent, from, to, decision, data),
    );
  }
  return { ...logits, data, size, affine, channels: 1, kind: 'label', history: [] };
}
