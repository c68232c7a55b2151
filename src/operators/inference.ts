import { defer, finalize, type OperatorFunction } from 'rxjs';
import { z } from 'zod';
import { type Case, volumeOf, withVolumes } from '../case.js';
import { DataError, ModelError } from '../errors.js';
import { type Ensemble, type EnsembleMember, openEnsemble } from '../models/ensemble.js';
import { findModel, type ModelFiles, outputChannelsOf } from '../models/findModel.js';
import { keptNeeds } from '../models/openModel.js';
import type { OptionValues } from '../options.js';
import { intensity, perAxis, shareBelowOne, sizePerAxis } from '../optionTypes.js';
import type { InferSettings, LabelRequest } from '../runtime/loadModel.js';
import type { Runtime } from '../runtime/runtime.js';
import { task } from '../runtime/task.js';
import { paddingModes } from '../volume/crop.js';
import { addTo_, divideBy_ } from '../volume/ensemble.js';
import type { Grid, Triple, Vec3, Volume } from '../volume/volume.js';
import { operator, type StepContext } from './define.js';
import { bytesOf, foresee, type VolumeForecast } from './forecast.js';
import { rangeCheck } from './inputRange.js';
import { mapCase } from './map.js';

const addToTask = task(new URL('../volume/ensemble.js', import.meta.url), addTo_);
const divideByTask = task(new URL('../volume/ensemble.js', import.meta.url), divideBy_);

const options = {
  model: z.string().min(1).optional().describe('A model folder, an .onnx file, or the name of a model'),
  models: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Several models instead of one: their outputs (logits) are averaged'),
  roiSize: sizePerAxis
    .optional()
    .describe(
      "Window size in voxels; 0 or less uses the volume's size. Default: the patch size on the model's card",
    ),
  swBatchSize: z
    .int()
    .min(1)
    .max(1024)
    .default(1)
    .describe('Windows per run of the model; on a CPU always one'),
  overlap: perAxis(shareBelowOne)
    .default([0.25, 0.25, 0.25])
    .describe('Overlap of neighbouring windows, as a fraction of the window'),
  stepSize: z
    .number()
    .min(0.01)
    .max(1)
    .optional()
    .describe(
      "Largest distance of neighbouring windows, as a fraction of the window, by nnU-Net's rules instead of overlap: " +
        'windows are spread evenly over the volume',
    ),
  mirror: z
    .array(z.enum(['x', 'y', 'z']))
    .max(3)
    .default([])
    .describe('Axes along which windows are also run mirrored (all combinations); the outputs are averaged'),
  mode: z.enum(['constant', 'gaussian']).default('constant').describe('How overlapping windows are weighted'),
  sigmaScale: perAxis(z.number().min(0.001).max(100))
    .default([0.125, 0.125, 0.125])
    .describe('Standard deviation of the Gaussian weights, as a fraction of the window'),
  paddingMode: z
    .enum(paddingModes)
    .default('constant')
    .describe('How a volume smaller than a window is padded'),
  cval: intensity.default(0).describe('The value for constant padding'),
  keepLoaded: z
    .boolean()
    .default(true)
    .describe(
      'Keep the model in memory for the whole run; false loads it for each case, for pipelines of many large models',
    ),
  key: z.string().min(1).default('image').describe('The volume to segment'),
  output: z.string().min(1).default('pred').describe('The key of the result'),
};

type Options = OptionValues<typeof options>;

/**
 * Slides a model over a volume and adds the blended outputs (logits, one channel per class) as `pred`, on the
 * same grid. A volume smaller than a window is padded first, and the result is cropped back.
 *
 * Each voxel is the weighted mean of the windows that cover it. The window positions are those of MONAI's
 * `SlidingWindowInferer`: a step of `roiSize * (1 - overlap)` voxels, with the last window ending at the
 * volume's border.
 *
 * With `stepSize`, positions and weights are nnU-Net's: windows are spread evenly, and the Gaussian is around
 * voxel floor(size / 2) of a window. With `mirror`, each window is also run mirrored along every combination
 * of these axes, and the outputs are mirrored back and averaged (test-time augmentation). With `models`, the
 * results of several models, e.g. the folds of a cross-validation, are averaged.
 *
 * The model is loaded for the first case and unloaded when the stream ends, fails or is unsubscribed; without
 * `keepLoaded`, it is loaded for each case and unloaded when its windows are done.
 *
 * @throws OptionError when built, for options out of range.
 * @throws ModelError, on the stream, if the model cannot be found or loaded, or does not fit the volume.
 */
export const inference = operator({
  name: 'inference',
  summary: 'Slides a model over a volume window by window and blends the outputs.',
  mirrors: 'SlidingWindowInferer',
  options,
  check: ({ model, models, mirror }) => [
    ...((model === undefined) === (models === undefined) ? ['either model or models must be given'] : []),
    ...(new Set(mirror).size < mirror.length ? ['mirror names an axis twice'] : []),
  ],
  example: { model: 'models/spleen_ct_segmentation', roiSize: [96, 96, 96], swBatchSize: 4, overlap: 0.5 },
  async prepare(options, context) {
    if (!options.keepLoaded) {
      // A model that is missing is noticed now.
      await filesOf(options, context.runtime);
      return async () => {};
    }
    const ensemble = await ensembleOf(options, context);
    return () => ensemble.close();
  },
  async forecast(options, runtime) {
    const { key, output } = options;
    const models = await filesOf(options, runtime);
    const channels = await outputChannelsOf(models[0]);
    const apart =
      models.length > 1 && !haveSameWindows(models.map(({ card }) => options.roiSize ?? card.input.patch));
    return (subject) => {
      const volume = subject.volumes[key];
      if (!volume) return subject;
      const logits = logitsForecast(volume, channels);
      return foresee(subject, { [output]: logits }, apart ? bytesOf(logits) : 0);
    };
  },
  async expects(options, runtime) {
    const { key, roiSize } = options;
    const inputs = (await filesOf(options, runtime)).map((files) => ({
      ...{ key, model: files.card.name },
      input: files.card.input,
      needs: () => keptNeeds(files, { ...(roiSize && { roiSize }) }, runtime.settings.formsFolder),
    }));
    // The folds of a cross-validation expect the same.
    const texts = inputs.map(({ input }) => JSON.stringify(input));
    return inputs.filter((_, i) => texts.indexOf(texts[i]) === i);
  },
  create: (options, context) => withModels(options, context, segment),
});

/** The options of `inference`, with defaults. */
export type InferenceOptions = Options;

/** A case that models are about to process. */
export interface ModelInput {
  readonly subject: Case;
  readonly volume: Volume;
  readonly options: InferenceOptions;
  readonly ensemble: Ensemble;
  readonly runtime: Runtime;
  /** Lets the next case's windows start while the last ones of this case are still running. */
  readonly leave: () => void;
  /** Called with the number of windows that are done, of all. */
  readonly onWindows: (done: number, all: number) => void;
}

/** An operator that runs `work` with the loaded models on the device lane and adds its result. */
export function withModels(
  options: InferenceOptions,
  context: StepContext,
  work: (input: ModelInput) => Promise<Volume>,
): OperatorFunction<Case, Case> {
  const { runtime, strict = false } = context;
  const checkRange = rangeCheck(strict, runtime.settings.onWarning ?? (() => {}));
  return (source) =>
    defer(() => {
      // For the whole stream: opened for the first case and closed when the stream ends.
      let opening: Promise<Ensemble> | undefined;
      return source.pipe(
        mapCase(context, 'device', async (subject, leave) => {
          opening ??= ensembleOf(options, context);
          const ensemble = await opening;
          const { members } = ensemble;
          const volume = inputVolume(subject, options, members);
          for (const { card } of members) checkRange(volume, `${options.key} of case ${subject.id}`, card);
          const onWindows = (done: number, all: number) => context.onWindows?.(subject.id, done, all);
          const pred = await work({ subject, volume, options, ensemble, runtime, leave, onWindows });
          if (!options.keepLoaded) {
            opening = undefined;
            await ensemble.close();
          }
          const { labels, codes } = members[0].card;
          const names = Object.keys(labels).length > 0 ? { labelNames: labels } : {};
          const coded = codes && { labelCodes: codes };
          return withVolumes(subject, { [options.output]: { ...pred, ...names, ...coded } });
        }),
        finalize(() => opening?.then((ensemble) => ensemble.close()).catch(() => {})),
      );
    });
}

/** The files of the models. */
export function filesOf({ model, models }: Options, runtime: Runtime): Promise<ModelFiles[]> {
  const names = namesOf({ model, models });
  return Promise.all(names.map((name) => findModel(name, runtime.settings.modelFolders)));
}

/** The paths or names of the models. */
function namesOf({ model, models }: Pick<Options, 'model' | 'models'>): readonly string[] {
  return models ?? (model === undefined ? [] : [model]);
}

/** Opens the models. Throws ModelError unless all have the same classes. */
function ensembleOf(options: Options, { runtime, onlyDifferences }: StepContext): Promise<Ensemble> {
  const { roiSize } = options;
  const form = { ...(roiSize && { roiSize }), onlyDifferences };
  const classes = ({ card }: ModelFiles) => JSON.stringify(card.labels);
  return openEnsemble(runtime, namesOf(options), form, async (lease, first) => {
    if (classes(lease) !== classes(first)) {
      throw new ModelError(
        `inference: ${lease.card.name} and ${first.card.name} have different labels, so their outputs cannot be averaged.`,
      );
    }
    const member = { ...lease, shape: lease.model.shape };
    const window = windowSize(options, member);
    const channels = inputChannels(member);
    if (!channels || window.some((n) => n <= 0)) return undefined;
    return lease.model.outputChannels(window, channels);
  });
}

function inputVolume(subject: Case, { key }: Options, members: readonly EnsembleMember[]): Volume {
  const volume = volumeOf(subject, key);
  for (const member of members) {
    const channels = inputChannels(member);
    if (channels && volume.channels !== channels) {
      throw new DataError(
        `inference: ${key} of case ${subject.id} has ${volume.channels} channel(s), but the model ` +
          `${member.card.name} takes ${channels}.`,
      );
    }
  }
  return volume;
}

/** The logits of a whole volume: the mean of all models. */
export function segment(input: ModelInput): Promise<Volume> {
  const { ensemble, options } = input;
  const windows = ensemble.members.map((member) => windowSize(options, member));
  return haveSameWindows(windows) ? segmentTogether(input) : segmentApart(input);
}

/** Whether models have windows of the same known size: their outputs can be added up in one place. */
export function haveSameWindows(windows: readonly (Vec3 | undefined)[]): boolean {
  const [first] = windows;
  return first !== undefined && windows.every((size) => size?.every((n, axis) => n === first[axis]));
}

/**
 * The logits of a whole volume, or labels if asked for. The models run the same windows in turns, and their
 * outputs are added up in one place.
 */
export async function segmentTogether(
  { volume, options, ensemble, leave, onWindows }: ModelInput,
  request?: LabelRequest,
): Promise<Volume> {
  const { members } = ensemble;
  const settings = settingsOf(options, members[0]);
  const last = members.length - 1;
  const work = await ensemble.with(0, (model) =>
    model.begin(volume, settings, options.swBatchSize, members.length, request),
  );
  for (const turn of work.turns) {
    for (const place of members.keys()) {
      const isLast = turn === work.turns.at(-1) && place === last;
      const listeners = { onWindows, ...(isLast && { onDrained: leave }) };
      await ensemble.with(place, (model) => model.runTurn(work, turn, place, listeners));
    }
  }
  return work.result;
}

/** The logits of a whole volume by models with windows of different sizes, one after the other. */
async function segmentApart(input: ModelInput): Promise<Volume> {
  const { volume, options, ensemble, runtime, leave, onWindows } = input;
  const { members } = ensemble;
  let mean: Volume | undefined;
  for (const [place, member] of members.entries()) {
    const made = await ensemble.with(place, (model) =>
      model.infer(volume, settingsOf(options, member), options.swBatchSize, {
        ...(place === members.length - 1 && { onDrained: leave }),
        onWindows: (done, all) => onWindows(place * all + done, members.length * all),
      }),
    );
    if (mean) await runtime.run(addToTask, mean.data as Float32Array, made.data as Float32Array);
    else mean = made;
  }
  if (!mean) throw new RangeError('There is no model.');
  await runtime.run(divideByTask, mean.data as Float32Array, members.length);
  return mean;
}

/** The logits of a whole volume. */
export function logitsForecast(
  { size, affine, history }: Grid & Pick<VolumeForecast, 'history'>,
  channels: number,
): VolumeForecast {
  return { size, affine, history, channels, bytesPerVoxel: 4, kind: 'logits' };
}

/** How a model slides over a volume. */
export function settingsOf(options: Options, member: EnsembleMember): InferSettings {
  const { overlap, stepSize, mode, sigmaScale, paddingMode, cval, mirror } = options;
  return {
    ...{ roiSize: windowSize(options, member), overlap, mode, sigmaScale, paddingMode, cval },
    ...(stepSize !== undefined && { stepSize }),
    mirror: mirror.map((axis) => 'xyz'.indexOf(axis)),
  };
}

/** The number of input channels from the model's card or file, or undefined if neither states it. */
function inputChannels({ card, shape }: EnsembleMember): number | undefined {
  const stated = shape.inputs[0].dims[1];
  return card.input.channels ?? (stated > 0 ? stated : undefined);
}

function windowSize(options: Options, { card, shape }: EnsembleMember): Vec3 {
  if (options.roiSize) return options.roiSize;
  if (card.input.patch) return card.input.patch;
  const fixed = shape.inputs[0].dims.slice(2);
  if (fixed.length === 3 && fixed.every((n) => n > 0)) {
    return (card.axes === 'xyz' ? fixed : fixed.reverse()) as Triple;
  }
  throw new ModelError(
    `inference: the window size of the model ${card.name} is unknown: neither its card (input.patch) ` +
      'nor its file states it. Set roiSize.',
  );
}
