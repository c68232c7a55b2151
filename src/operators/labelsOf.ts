import { concatMap, type OperatorFunction, of } from 'rxjs';
import { type Case, onlyKey, withVolumes } from '../case.js';
import type { ValuesOf } from '../options.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import { canLabel, foregroundExtent, joinBoxes, labelSliceCount, labelSlices } from '../volume/labels.js';
import { allocate, type Volume, voxelCount } from '../volume/volume.js';
import { activations } from './activations.js';
import { asDiscrete } from './asDiscrete.js';
import type { StepContext } from './define.js';
import { type Forecaster, foresee } from './forecast.js';
import { type Fusion, optionsFor } from './fusion.js';
import { invert } from './invert.js';
import { mapCase } from './map.js';
import { inParts } from './parts.js';

const foregroundExtentTask = task(new URL('../volume/labels.js', import.meta.url), foregroundExtent);
const labelSlicesTask = task(new URL('../volume/labels.js', import.meta.url), labelSlices);

/**
 * Runs `activations` (softmax), `invert` and `asDiscrete` (argmax) of one volume in one pass on all worker
 * threads. It never holds probabilities at full resolution. A case that one pass cannot process (crops to
 * undo, sheared affines) goes through the separate steps.
 */
export const labelsFusion: Fusion = ([first, second, third]) => {
  const activate = optionsFor(first, activations);
  const undo = optionsFor(second, invert);
  const decide = optionsFor(third, asDiscrete);
  if (!activate?.softmax || !undo || undo.nearestInterp || !decide || !onlyArgmax(decide)) return undefined;
  const keys = new Set([activate, undo, decide].map((options) => onlyKey(options.keys ?? 'pred')));
  const [key] = keys;
  if (keys.size !== 1 || key === undefined) return undefined;
  return {
    count: 3,
    create: (context, each) => labelsOf(key, undo.like, each, context),
    forecast: (runtime, each) => foreseeLabels(key, undo.like, each, runtime),
  };
};

function onlyArgmax({ argmax, toOnehot, threshold, rounding }: ValuesOf<typeof asDiscrete>): boolean {
  return argmax && toOnehot === undefined && threshold === undefined && rounding === undefined;
}

function labelsOf(
  key: string,
  like: string,
  each: readonly OperatorFunction<Case, Case>[],
  context: StepContext,
): OperatorFunction<Case, Case> {
  const onePass = mapCase(context, 'cpu', async (subject) =>
    withVolumes(subject, { [key]: await label(subject.volumes[key], subject.volumes[like], context) }),
  );
  return concatMap((subject) => {
    const logits = subject.volumes[key];
    const reference = subject.volumes[like];
    const possible =
      logits?.kind === 'logits' &&
      logits.channels > 1 &&
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
function foreseeLabels(key: string, like: string, each: Forecaster, { lanes }: Runtime): Forecaster {
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

async function label(logits: Volume, reference: Volume, { runtime }: StepContext): Promise<Volume> {
  const { history } = reference;
  const { size, affine } = history[0]?.from ?? logits;
  const data = allocate(logits.channels > 256 ? 'uint16' : 'uint8', voxelCount(size));
  const boxes = await inParts(runtime, logits.size[2], (from, to) =>
    runtime.run(foregroundExtentTask, logits, from, to),
  );
  const extent = boxes.reduce(joinBoxes, undefined);
  if (extent) {
    await inParts(runtime, labelSliceCount(logits, history), (from, to) =>
      runtime.run(labelSlicesTask, logits, history, extent, from, to, data),
    );
  }
  return { ...logits, data, size, affine, channels: 1, kind: 'label', history: [] };
}
