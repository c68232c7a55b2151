import { defer, finalize, type OperatorFunction } from 'rxjs';
import { z } from 'zod';
import { type Case, volumeOf, withVolumes } from '../case.js';
import { DataError, ModelError } from '../errors.js';
import { findModel, outputChannelsOf } from '../models/findModel.js';
import { type ModelLease, openModel } from '../models/openModel.js';
import type { OptionValues } from '../options.js';
import { intensity, perAxis, shareBelowOne, sizePerAxis } from '../optionTypes.js';
import type { InferSettings } from '../runtime/loadModel.js';
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
 * The model is loaded for the first case and unloaded when the stream ends, fails or is unsubscribed.
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
    const leases = await leasesOf(options, context);
    try {
      for (const lease of leases) {
        const roiSize = windowSize(options, lease);
        const channels = inputChannels(lease);
        if (channels && roiSize.every((n) => n > 0)) {
          await lease.model.outputChannels(roiSize, channels);
        }
      }
      return () => releaseAll(leases);
    } catch (error) {
      await releaseAll(leases);
      throw error;
    }
  },
  async forecast(options, runtime) {
    const { key, output, mode } = options;
    const [first, ...others] = modelsOf(options);
    const files = await findModel(first, runtime.settings.modelFolders);
    const channels = await outputChannelsOf(files);
    return (subject) => {
      const volume = subject.volumes[key];
      if (!volume) return subject;
      const logits = logitsForecast(volume, channels);
      const weights = mode === 'gaussian' ? bytesOf({ ...logits, channels: 1 }) : 0;
      const more = others.length > 0 ? bytesOf(logits) : 0;
      return foresee(subject, { [output]: logits }, weights + more);
    };
  },
  expects: (options, runtime) =>
    Promise.all(
      modelsOf(options).map(async (name) => {
        const { card } = await findModel(name, runtime.settings.modelFolders);
        return { key: options.key, model: card.name, input: card.input };
      }),
    ),
  create: (options, context) => withModels(options, context, segment),
});

/** The options of `inference`, with defaults. */
export type InferenceOptions = Options;

/** A case that models are about to process. */
export interface ModelInput {
  readonly subject: Case;
  readonly volume: Volume;
  readonly options: InferenceOptions;
  readonly leases: readonly ModelLease[];
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
      // One lease per model for the whole stream: taken for the first case and released when the stream ends.
      let opening: Promise<readonly ModelLease[]> | undefined;
      return source.pipe(
        mapCase(context, 'device', async (subject, leave) => {
          opening ??= leasesOf(options, context);
          const leases = await opening;
          const volume = inputVolume(subject, options, leases);
          for (const { card } of leases) checkRange(volume, `${options.key} of case ${subject.id}`, card);
          const onWindows = (done: number, all: number) => context.onWindows?.(subject.id, done, all);
          const pred = await work({ subject, volume, options, leases, runtime, leave, onWindows });
          const { labels, codes } = leases[0].card;
          const names = Object.keys(labels).length > 0 ? { labelNames: labels } : {};
          const coded = codes && { labelCodes: codes };
          return withVolumes(subject, { [options.output]: { ...pred, ...names, ...coded } });
        }),
        finalize(() => opening?.then(releaseAll).catch(() => {})),
      );
    });
}

/** The paths or names of the models. */
export function modelsOf({ model, models }: Options): readonly string[] {
  return models ?? (model === undefined ? [] : [model]);
}

/**
 * Opens the models. Throws ModelError unless all have the same classes. The models that were opened are
 * released if one cannot be.
 */
async function leasesOf(
  options: Options,
  { runtime, onlyDifferences }: StepContext,
): Promise<readonly ModelLease[]> {
  const { roiSize } = options;
  const leases: ModelLease[] = [];
  try {
    for (const model of modelsOf(options)) {
      leases.push(await openModel(runtime, model, { ...(roiSize && { roiSize }), onlyDifferences }));
    }
    const [first] = leases;
    const classes = ({ card }: ModelLease) => JSON.stringify(card.labels);
    const odd = leases.find((lease) => classes(lease) !== classes(first));
    if (odd) {
      throw new ModelError(
        `inference: ${odd.card.name} and ${first.card.name} have different labels, so their outputs cannot be averaged.`,
      );
    }
    return leases;
  } catch (error) {
    await releaseAll(leases);
    throw error;
  }
}

async function releaseAll(leases: readonly ModelLease[]): Promise<void> {
  for (const { release } of leases) await release();
}

function inputVolume(subject: Case, { key }: Options, leases: readonly ModelLease[]): Volume {
  const volume = volumeOf(subject, key);
  for (const lease of leases) {
    const channels = inputChannels(lease);
    if (channels && volume.channels !== channels) {
      throw new DataError(
        `inference: ${key} of case ${subject.id} has ${volume.channels} channel(s), but the model ` +
          `${lease.card.name} takes ${channels}.`,
      );
    }
  }
  return volume;
}

/** The logits of a whole volume: the mean of all models. */
export async function segment(input: ModelInput): Promise<Volume> {
  const { volume, options, leases, runtime, leave, onWindows } = input;
  const [first, ...others] = leases;
  const infer = (lease: ModelLease, place: number) =>
    lease.model.infer(volume, settingsOf(options, lease), options.swBatchSize, {
      ...(place === leases.length - 1 && { onDrained: leave }),
      // Models of one step mostly have the same number of windows.
      onWindows: (done, all) => onWindows(place * all + done, leases.length * all),
    });
  const mean = await infer(first, 0);
  for (const [i, lease] of others.entries()) {
    const made = await infer(lease, i + 1);
    await runtime.run(addToTask, mean.data as Float32Array, made.data as Float32Array);
  }
  if (others.length > 0) await runtime.run(divideByTask, mean.data as Float32Array, leases.length);
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
export function settingsOf(options: Options, lease: ModelLease): InferSettings {
  const { overlap, stepSize, mode, sigmaScale, paddingMode, cval, mirror } = options;
  return {
    ...{ roiSize: windowSize(options, lease), overlap, mode, sigmaScale, paddingMode, cval },
    ...(stepSize !== undefined && { stepSize }),
    mirror: mirror.map((axis) => 'xyz'.indexOf(axis)),
  };
}

/** The number of input channels from the model's card or file, or undefined if neither states it. */
function inputChannels({ card, model }: ModelLease): number | undefined {
  const stated = model.shape.inputs[0].dims[1];
  return card.input.channels ?? (stated > 0 ? stated : undefined);
}

function windowSize(options: Options, { card, model }: ModelLease): Vec3 {
  if (options.roiSize) return options.roiSize;
  if (card.input.patch) return card.input.patch;
  const fixed = model.shape.inputs[0].dims.slice(2);
  if (fixed.length === 3 && fixed.every((n) => n > 0)) {
    return (card.axes === 'xyz' ? fixed : fixed.reverse()) as Triple;
  }
  throw new ModelError(
    `inference: the window size of the model ${card.name} is unknown: neither its card (input.patch) ` +
      'nor its file states it. Set roiSize.',
  );
}
