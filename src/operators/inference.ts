import { defer, finalize } from 'rxjs';
import { z } from 'zod';
import { type Case, volumeOf, withVolumes } from '../case.js';
import { DataError, ModelError } from '../errors.js';
import { findModel, outputChannelsOf } from '../models/findModel.js';
import { type ModelLease, openModel } from '../models/openModel.js';
import type { OptionValues } from '../options.js';
import { mostVoxels, perAxis } from '../optionTypes.js';
import { paddingModes } from '../volume/crop.js';
import type { Triple, Vec3 } from '../volume/volume.js';
import { operator, type StepContext } from './define.js';
import { bytesOf, foresee, type VolumeForecast } from './forecast.js';
import { mapCase } from './map.js';

const share = z.number().min(0).lt(1);

const options = {
  model: z.string().min(1).describe('A model folder, an .onnx file, or the name of a model'),
  roiSize: perAxis(z.int().max(mostVoxels))
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
  overlap: perAxis(share)
    .default([0.25, 0.25, 0.25])
    .describe('Overlap of neighbouring windows, as a fraction of the window'),
  mode: z.enum(['constant', 'gaussian']).default('constant').describe('How overlapping windows are weighted'),
  sigmaScale: perAxis(z.number().positive())
    .default([0.125, 0.125, 0.125])
    .describe('Standard deviation of the Gaussian weights, as a fraction of the window'),
  paddingMode: z
    .enum(paddingModes)
    .default('constant')
    .describe('How a volume smaller than a window is padded'),
  cval: z.number().default(0).describe('The value for constant padding'),
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
  async forecast({ model, key, output, mode }, runtime) {
    const files = await findModel(model, runtime.settings.modelFolders);
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
      // One lease for the whole stream: taken for the first case and released when the stream ends.
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
  { model, roiSize }: Options,
  { runtime, onlyDifferences }: StepContext,
): Promise<ModelLease> {
  return openModel(runtime, model, { ...(roiSize && { roiSize }), onlyDifferences });
}

async function segment(subject: Case, options: Options, lease: ModelLease, leave: () => void): Promise<Case> {
  const { model, card } = lease;
  const key = options.key;
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
      overlap: options.overlap,
      mode: options.mode,
      sigmaScale: options.sigmaScale,
      paddingMode: options.paddingMode,
      cval: options.cval,
    },
    options.swBatchSize,
    // Lets the next case's windows start while the last ones of this case are still running.
    leave,
  );
  const names = Object.keys(card.labels).length > 0 ? { labelNames: card.labels } : {};
  return withVolumes(subject, { [options.output]: { ...pred, ...names } });
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
