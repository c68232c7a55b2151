import { concatMap, type OperatorFunction, of } from 'rxjs';
import type { Case } from '../case.js';
import { outputChannelsOf } from '../models/findModel.js';
import { windowsPerTurn } from '../runtime/loadModel.js';
import type { Runtime } from '../runtime/runtime.js';
import { planLabels, storedChannels } from '../volume/cellSums.js';
import { largestLabel } from '../volume/labels.js';
import type { HistoryStep, Vec3, Volume } from '../volume/volume.js';
import { planWindows } from '../volume/windows.js';
import { bytesOf, type Forecaster, foresee, type VolumeForecast } from './forecast.js';
import { type FusedSteps, type Fusion, optionsFor } from './fusion.js';
import {
  filesOf,
  haveSameWindows,
  type InferenceOptions,
  inference,
  logitsForecast,
  type ModelInput,
  segment,
  segmentTogether,
  settingsOf,
  withModels,
} from './inference.js';
import { fits, type LabelSteps, labelSteps, labelsFusion, sliceBytes, undoneSteps } from './labelsOf.js';
import { onlyDifferences } from './onlyDifferences.js';

/** The logits of a whole volume are kept if they take at most this many bytes. */
const mostLogits = 512 << 20;

/** Volumes and forecasts of volumes that are labels already when they leave the inference. */
type Labelled = WeakSet<object>;

/**
 * Runs `inference` and the steps that make labels of its result (`activations`, `invert`, and `asDiscrete` or
 * `regionLabels`) so that the logits of all classes are never held for a whole volume. If these would take
 * more than `most` bytes, the inference makes the labels itself as windows complete, and the other stages
 * pass them on. The labels are the same bit for bit with one model. With several, outputs are added up in
 * another order, and rounding may decide voxels whose classes tie.
 */
export function inferLabels(most: number): Fusion {
  return ([first, ...rest]) => {
    const options = optionsFor(first, inference);
    const steps = labelSteps(rest);
    if (!options || steps?.key !== options.output) return undefined;
    const labelled: Labelled = new WeakSet();
    const differences = onlyDifferences(first, rest[0]);
    const later = labelsFusion(rest) ?? Array.from({ length: steps.count }, () => separate);
    return [
      {
        count: 1,
        create: (context) =>
          withModels(options, { ...context, onlyDifferences: differences }, (input) =>
            segmentOrLabel(input, steps, most, labelled),
          ),
        forecast: (runtime, each) => foreseeInference(options, steps, most, labelled, runtime, each),
      },
      ...later.map((stage) => unlessLabelled(stage, steps.key, labelled)),
    ];
  };
}

export const inferLabelsFusion = inferLabels(mostLogits);

/** A step in a separate stage. */
const separate: FusedSteps = {
  count: 1,
  create: (_, [step]) => step,
  forecast: (_, each) => each,
};

async function segmentOrLabel(
  input: ModelInput,
  steps: LabelSteps,
  most: number,
  labelled: Labelled,
): Promise<Volume> {
  const { subject, volume, options, ensemble } = input;
  const { members } = ensemble;
  const all = members.map((member) => settingsOf(options, member).roiSize);
  const { roiSize } = planWindows(volume.size, settingsOf(options, members[0]));
  const channels = await ensemble.with(0, (model) => model.outputChannels(roiSize, volume.channels));
  const undo = undoneSteps(steps, volume, subject.volumes);
  const isSmall = bytesOf(logitsForecast(volume, channels)) <= most;
  if (!haveSameWindows(all) || !undo || !fits(channels, steps.decision) || isSmall) return segment(input);
  const request = { decision: steps.decision, ...(steps.like !== undefined && { undo }) };
  const labels = await segmentTogether(input, request);
  labelled.add(labels.data);
  return labels;
}

async function foreseeInference(
  options: InferenceOptions,
  steps: LabelSteps,
  most: number,
  labelled: Labelled,
  runtime: Runtime,
  whole: Forecaster,
): Promise<Forecaster> {
  const { key, output, mode, overlap, roiSize, stepSize } = options;
  const models = await filesOf(options, runtime);
  const channels = await outputChannelsOf(models[0]);
  const windows = models.map(({ card }) => roiSize ?? card.input.patch);
  const [window] = windows;
  const turn = models.length > 1 ? windowsPerTurn : 1;
  const weighted = mode === 'gaussian';
  return (subject) => {
    const volume = subject.volumes[key];
    if (!volume || !window || !haveSameWindows(windows)) return whole(subject);
    const logits = logitsForecast(volume, channels);
    const undo = undoneSteps(steps, volume, subject.volumes);
    if (!undo || !fits(channels, steps.decision) || bytesOf(logits) <= most) return whole(subject);
    const plan = planWindows(volume.size, { roiSize: window, overlap, stepSize });
    const cells = planLabels(plan, volume.size, channels, weighted, steps.like !== undefined, turn);
    const sums = cells.voxels * storedChannels(channels, weighted) * Float32Array.BYTES_PER_ELEMENT;
    const labels: VolumeForecast = {
      ...logits,
      ...undo[0]?.from,
      channels: 1,
      bytesPerVoxel: largestLabel(channels, steps.decision) > 255 ? 2 : 1,
      kind: 'label',
      history: steps.like === undefined ? volume.history : [],
    };
    labelled.add(labels);
    return foresee(subject, { [output]: labels }, sums + decisionBytes(logits, undo, plan.roiSize));
  };
}

/** The memory for labelling what one window completes: slices of all channels, before and after. */
function decisionBytes(logits: VolumeForecast, undo: readonly HistoryStep[], roiSize: Vec3): number {
  const area = roiSize[0] * roiSize[1];
  const share = Math.min(1, area / (logits.size[0] * logits.size[1]));
  return logits.channels * area * Float32Array.BYTES_PER_ELEMENT + share * sliceBytes(logits, undo);
}

/** A stage that leaves labels as they are. */
function unlessLabelled(stage: FusedSteps, key: string, labelled: Labelled): FusedSteps {
  return {
    count: stage.count,
    create: (context, each): OperatorFunction<Case, Case> => {
      const operator = stage.create(context, each);
      return concatMap((subject) => {
        const volume = subject.volumes[key];
        return volume && labelled.has(volume.data) ? of(subject) : of(subject).pipe(operator);
      });
    },
    forecast: async (runtime, each) => {
      const forecast = await stage.forecast(runtime, each);
      return (subject) => {
        const volume = subject.volumes[key];
        return volume && labelled.has(volume) ? subject : forecast(subject);
      };
    },
  };
}
