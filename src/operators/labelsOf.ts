import { concatMap, type OperatorFunction, of } from 'rxjs';
import { type Case, onlyKey, withVolumes } from '../case.js';
import type { ValuesOf } from '../options.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import {
  canLabel,
  type Decision,
  foregroundExtent,
  joinBoxes,
  labelSliceCount,
  labelSlices,
} from '../volume/labels.js';
import { allocate, type Volume, voxelCount } from '../volume/volume.js';
import { activations } from './activations.js';
import { asDiscrete } from './asDiscrete.js';
import type { StepContext } from './define.js';
import { type Forecaster, foresee } from './forecast.js';
import { type Fusion, optionsFor } from './fusion.js';
import { invert } from './invert.js';
import { mapCase } from './map.js';
import { inParts } from './parts.js';
import { regionLabels } from './regionLabels.js';

const foregroundExtentTask = task(new URL('../volume/labels.js', import.meta.url), foregroundExtent);
const labelSlicesTask = task(new URL('../volume/labels.js', import.meta.url), labelSlices);

/**
 * Runs `activations` (softmax), `invert` and `asDiscrete` (argmax) of one volume in one pass on all worker
 * threads; or `invert` and `asDiscrete` or `regionLabels`, where logits are interpolated. It never holds all
 * channels at full resolution. A case that one pass cannot process (sheared affines, paddings to undo) goes
 * through the separate steps.
 */
export const labelsFusion: Fusion = ([first, ...others]) => {
  const activate = optionsFor(first, activations);
  const [undoing, deciding] = activate ? others : [first, ...others];
  const undo = optionsFor(undoing, invert);
  const argmax = optionsFor(deciding, asDiscrete);
  const regions = optionsFor(deciding, regionLabels);
  const decide = regions ?? argmax;
  if (!undo || undo.nearestInterp || !decide) return undefined;
  if (argmax && !onlyArgmax(argmax)) return undefined;
  if (activate && (!activate.softmax || regions)) return undefined;
  const steps = activate ? [activate, undo, decide] : [undo, decide];
  const keys = new Set(steps.map((options) => onlyKey(options.keys ?? 'pred')));
  const [key] = keys;
  if (keys.size !== 1 || key === undefined) return undefined;
  const work: LabelWork = {
    key,
    like: undo.like,
    decision: { softmax: activate !== undefined, ...(regions && { regions: regions.labels }) },
  };
  return {
    count: steps.length,
    create: (context, each) => labelsOf(work, each, context),
    forecast: (runtime, each) => foreseeLabels(work, each, runtime),
  };
};

function onlyArgmax({ argmax, toOnehot, threshold, rounding }: ValuesOf<typeof asDiscrete>): boolean {
  return argmax && toOnehot === undefined && threshold === undefined && rounding === undefined;
}

interface LabelWork {
  /** The logits. */
  readonly key: string;
  /** The volume whose steps are undone. */
  readonly like: string;
  readonly decision: Decision;
}

function labelsOf(
  { key, like, decision }: LabelWork,
  each: readonly OperatorFunction<Case, Case>[],
  context: StepContext,
): OperatorFunction<Case, Case> {
  const onePass = mapCase(context, 'cpu', async (subject) =>
    withVolumes(subject, {
      [key]: await label(subject.volumes[key], subject.volumes[like], decision, context),
    }),
  );
  return concatMap((subject) => {
    const logits = subject.volumes[key];
    const reference = subject.volumes[like];
    const possible =
      logits?.kind === 'logits' &&
      fits(logits, decision) &&
      reference &&
      sameGrid(logits, reference) &&
      canLabel(logits, reference.history);
    return possible
      ? of(subject).pipe(onePass)
      : each.reduce((stream, step) => stream.pipe(step), of(subject));
  });
}

/**
 * Predicts one pass: only the label map, plus two slices of probabilities per part of the work. Where one
 * pass is not possible, it returns what `each` predicts for the separate steps.
 */
function foreseeLabels({ key, like }: LabelWork, each: Forecaster, { lanes }: Runtime): Forecaster {
  return (subject) => {
    const { volumes, peak } = each(subject);
    const logits = subject.volumes[key];
    const reference = subject.volumes[like];
    if (logits?.kind !== 'logits' || !reference || !canLabel(logits, reference.history)) {
      return { ...subject, volumes, peak };
    }
    const [nx, ny] = reference.history.at(-1)?.from.size ?? logits.size;
    const slices = lanes.cpu.width * logits.channels * nx * ny * 2 * Float64Array.BYTES_PER_ELEMENT;
    return foresee(subject, { [key]: volumes[key] }, slices);
  };
}

/** Whether there is a channel for each label that may come out. */
function fits({ channels }: Volume, { regions }: Decision): boolean {
  return regions ? channels === regions.length : channels > 1;
}

async function label(
  logits: Volume,
  reference: Volume,
  decision: Decision,
  { runtime }: StepContext,
): Promise<Volume> {
  const { history } = reference;
  const { size, affine } = history[0]?.from ?? logits;
  const largest = decision.regions ? Math.max(...decision.regions) : logits.channels - 1;
  const type = largest > 255 ? 'uint16' : 'uint8';
  const data = allocate(type, voxelCount(size));
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
