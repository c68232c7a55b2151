import { defer, finalize, type OperatorFunction } from 'rxjs';
import { z } from 'zod';
import { type Case, withVolumes } from '../case.js';
import { DataError, ModelError } from '../errors.js';
import { outputChannelsOf } from '../runtime/models.js';
import type { ModelLease } from '../runtime/runtime.js';
import { type PaddingMode, paddingModes } from '../volume/crop.js';
import type { Vec3 } from '../volume/volume.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { bytesOf, foresee, type VolumeForecast } from './forecast.js';
import { mapCase, volumeOf } from './map.js';
import { perAxis } from './types.js';

export interface InferenceOptions {
  /** The model: a folder with `model.onnx` and `metadata.json`, an `.onnx` file, or a model's name. */
  readonly model: string;
  /** Size of a window in voxels: one number, or one per axis; 0 or less takes the volume's own. Default: the card's patch. */
  readonly roiSize?: number | Vec3;
  /** Windows per run of the model, on devices that gain by it; a CPU takes one at a time. Default: 1. */
  readonly swBatchSize?: number;
  /** Share of a window that the next one repeats, from 0 up to but not including 1. Default: 0.25. */
  readonly overlap?: number | Vec3;
  /** How overlapping windows are blended: equally, or with more weight in their middle. Default: `constant`. */
  readonly mode?: 'constant' | 'gaussian';
  /** Standard deviation of the Gaussian weights, as a share of the window. Default: 0.125. */
  readonly sigmaScale?: number | Vec3;
  /** What lies outside a volume smaller than a window. Default: `constant`. */
  readonly paddingMode?: PaddingMode;
  /** The value of constant padding. Default: 0. */
  readonly cval?: number;
  /** The volume to segment. Default: `image`. */
  readonly key?: string;
  /** The name of the result. Default: `pred`. */
  readonly output?: string;
}

const share = z.number().min(0).lt(1);

const definition = defineOperator<InferenceOptions>({
  name: 'inference',
  summary: 'Slides a model over a volume, window by window, and blends its outputs.',
  mirrors: 'SlidingWindowInferer',
  lane: 'device',
  options: {
    model: z.string().min(1).describe("Model folder, .onnx file, or a model's name"),
    roiSize: perAxis(z.int())
      .optional()
      .describe(
        "Window size in voxels; 0 or less takes the volume's own. Default: the patch on the model's card",
      ),
    swBatchSize: z
      .int()
      .min(1)
      .default(1)
      .describe('Windows per run of the model; a CPU takes one at a time'),
    overlap: perAxis(share)
      .default([0.25, 0.25, 0.25])
      .describe('Share of a window that the next one repeats'),
    mode: z
      .enum(['constant', 'gaussian'])
      .default('constant')
      .describe('How overlapping windows are weighted'),
    sigmaScale: perAxis(z.number().positive())
      .default([0.125, 0.125, 0.125])
      .describe('Standard deviation of Gaussian weights, as a share of the window'),
    paddingMode: z
      .enum(paddingModes)
      .default('constant')
      .describe('What lies outside a volume smaller than a window'),
    cval: z.number().default(0).describe('The value of constant padding'),
    key: z.string().min(1).default('image').describe('The volume to segment'),
    output: z.string().min(1).default('pred').describe('The name of the result'),
  },
  example: { model: 'models/spleen_ct_segmentation', roiSize: [96, 96, 96], swBatchSize: 4, overlap: 0.5 },
  async prepare(options, context) {
    const lease = await leaseOf(options, context);
    try {
      const roiSize = windowSize(options, lease);
      const channels = inputChannels(lease);
      if (channels && roiSize.every((n) => n > 0)) {
        await lease.model.outputChannels(roiSize, channels);
      }
      return lease.release;
    } catch (error) {
      await lease.release();
      throw error;
    }
  },
  async forecast({ model, key = 'image', output = 'pred', mode }, runtime) {
    const files = await runtime.findModel(model);
    const channels = await outputChannelsOf(files);
    return (subject) => {
      const volume = subject.volumes[key];
      if (!volume) return subject;
      const logits: VolumeForecast = { ...volume, channels, bytesPerVoxel: 4, kind: 'logits' };
      const weights = mode === 'gaussian' ? bytesOf({ ...logits, channels: 1 }) : 0;
      return foresee(subject, { [output]: logits }, weights);
    };
  },
  create: (options, context) => (source) =>
    defer(() => {
      // One share in the model for the whole stream, taken with the first case and given back when the stream ends.
      let lease: Promise<ModelLease> | undefined;
      return source.pipe(
        mapCase(context, 'device', async (subject, leave) => {
          lease ??= leaseOf(options, context);
          return segment(subject, options, await lease, leave);
        }),
        finalize(() => lease?.then(({ release }) => release()).catch(() => {})),
      );
    }),
});

function leaseOf(
  { model, roiSize }: InferenceOptions,
  { runtime, onlyDifferences }: StepContext,
): Promise<ModelLease> {
  return runtime.model(model, { ...(roiSize && { roiSize: roiSize as Vec3 }), onlyDifferences });
}

async function segment(
  subject: Case,
  options: InferenceOptions,
  lease: ModelLease,
  leave: () => void,
): Promise<Case> {
  const { model, card } = lease;
  const key = options.key ?? 'image';
  const volume = volumeOf(subject, key);
  const channels = inputChannels(lease);
  if (channels && volume.channels !== channels) {
    throw new DataError(
      `inference: ${key} of case ${subject.id} has ${volume.channels} channel(s), but the model ${card.name} takes ` +
        `${channels}.`,
    );
  }
  const pred = await model.infer(
    volume,
    {
      roiSize: windowSize(options, lease),
      overlap: options.overlap as Vec3,
      mode: options.mode ?? 'constant',
      sigmaScale: options.sigmaScale as Vec3,
      paddingMode: options.paddingMode ?? 'constant',
      cval: options.cval ?? 0,
    },
    options.swBatchSize ?? 1,
    // The next case's windows begin while the last of this one's are at work.
    leave,
  );
  const names = Object.keys(card.labels).length > 0 ? { labelNames: card.labels } : {};
  return withVolumes(subject, { [options.output ?? 'pred']: { ...pred, ...names } });
}

/** The channels a model takes, as its card or its file says; undefined when neither does. */
function inputChannels({ card, model }: ModelLease): number | undefined {
  const stated = model.shape.inputs[0].dims[1];
  return card.input.channels ?? (stated > 0 ? stated : undefined);
}

function windowSize(options: InferenceOptions, { card, model }: ModelLease): Vec3 {
  if (options.roiSize) return options.roiSize as Vec3;
  if (card.input.patch) return card.input.patch;
  const fixed = model.shape.inputs[0].dims.slice(2);
  if (fixed.length === 3 && fixed.every((n) => n > 0)) {
    return (card.axes === 'xyz' ? fixed : fixed.reverse()) as unknown as Vec3;
  }
  throw new ModelError(
    `inference: the model ${card.name} does not say its window size, neither on its card (input.patch) nor in its ` +
      'file; give roiSize.',
  );
}

/**
 * Slides a model over a volume and adds the blended outputs (logits, one channel per class) as `pred`, on the same
 * grid. A volume smaller than a window is padded for it, and the result cropped again.
 *
 * Each voxel is the weighted mean of the windows over it. The windows are those of MONAI's `SlidingWindowInferer`: they
 * step by `roiSize * (1 - overlap)` voxels and the last one ends with the volume.
 *
 * The model is loaded with the first case and unloaded when the stream ends, fails or is unsubscribed.
 *
 * @throws OptionError when built, for options out of range.
 * @throws ModelError, on the stream, if the model cannot be found or loaded, or does not fit the volume.
 */
export function inference(
  options: InferenceOptions,
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as inferenceDefinition };
