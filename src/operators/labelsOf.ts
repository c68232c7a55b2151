import { concatMap, lastValueFrom, type OperatorFunction, of } from 'rxjs';
import { type Case, withVolumes } from '../case.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import { canLabel, foregroundExtent, joinBoxes, labelSliceCount, labelSlices } from '../volume/labels.js';
import { allocate, type Volume, voxelCount } from '../volume/volume.js';
import type { StepContext } from './define.js';
import { type Forecaster, foresee } from './forecast.js';
import { mapCase } from './map.js';
import { inParts } from './parts.js';

const foregroundExtentTask = task(new URL('../volume/labels.js', import.meta.url), foregroundExtent);
const labelSlicesTask = task(new URL('../volume/labels.js', import.meta.url), labelSlices);

/**
 * `activations` (softmax), `invert` and `asDiscrete` (argmax) of the volume `key` in one pass that never holds probabilities at full
 * resolution, in all worker threads. The same labels. Where one pass is not possible (crops to undo, sheared affines) the case goes
 * through `steps`, which are these operators.
 */
export function labelsOf(
  key: string,
  like: string,
  steps: OperatorFunction<Case, Case>,
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
    return lastValueFrom(of(subject).pipe(possible ? onePass : steps));
  });
}

/**
 * Forecasts `labelsOf`: the label map alone, and two slices of probabilities for each part of the work; or where one pass is not
 * possible, what `each` forecasts of the steps one after the other.
 */
export function foreseeLabels(key: string, like: string, each: Forecaster, { lanes }: Runtime): Forecaster {
  return (subject) => {
    const { volumes, peak } = each(subject);
    const logits = subject.volumes[key];
    const reference = subject.volumes[like];
    const undone = reference?.history.map(({ step }) => step).join() ?? 'unknown';
    const onePass = logits?.kind === 'logits' && /^(orient)?,?(resample)?$/.test(undone);
    if (!onePass) return { ...subject, volumes, peak };
    const [nx, ny] = reference.history.at(-1)?.size ?? logits.size;
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
