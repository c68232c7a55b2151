import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import type { Case } from '../case.js';
import { DataError } from '../errors.js';
import { task } from '../runtime/task.js';
import { patchStarts } from '../volume/patches.js';
import type { Vec3, Volume } from '../volume/volume.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { drawsFor, seedType } from './draws.js';
import { chooseKeys, geometryKeys, type Keys, keysType, splitCase, volumeOf } from './map.js';
import { cropOrPadTask } from './spatialPad.js';
import { perAxis } from './types.js';

const patchStartsTask = task(new URL('../volume/patches.js', import.meta.url), patchStarts);

export interface RandCropByPosNegLabelOptions {
  /** Voxels of a patch: one number, or one per axis; 0 or less takes the whole axis. */
  readonly spatialSize: number | Vec3;
  /** With `neg`, the share of patches around a voxel that has a label: pos / (pos + neg). Default: 1. */
  readonly pos?: number;
  /** See `pos`. Default: 1. */
  readonly neg?: number;
  /** Patches per case. Default: 1. */
  readonly numSamples?: number;
  /** The volume with the labels. Default: `label`. */
  readonly labelKey?: string;
  /** The image that says where patches without a label may be centred. Default: anywhere. */
  readonly imageKey?: string;
  /** They are centred only where the image is above this. Default: 0. */
  readonly imageThreshold?: number;
  /** Where the volume is smaller than a patch, take it whole along that axis rather than fail. Default: false. */
  readonly allowSmaller?: boolean;
  /** Seed of the draws. Default: the pipeline's, 0 without one. */
  readonly seed?: number;
  /** Volumes to cut. Default: `image` and `label`, where present. */
  readonly keys?: Keys;
}

const definition = defineOperator<RandCropByPosNegLabelOptions>({
  name: 'randCropByPosNegLabel',
  summary: 'Cuts random patches, a share of them around labelled voxels; each becomes a case of its own.',
  mirrors: "RandCropByPosNegLabeld; the draws are those of voxstream's own generator",
  lane: 'cpu',
  splits: true,
  options: {
    spatialSize: perAxis(z.int()).describe('Voxels of a patch; 0 or less takes the whole axis'),
    pos: z
      .number()
      .min(0)
      .default(1)
      .describe('With neg, the share of patches around a labelled voxel: pos / (pos + neg)'),
    neg: z.number().min(0).default(1).describe('See pos'),
    numSamples: z.int().min(1).default(1).describe('Patches per case'),
    labelKey: z.string().min(1).default('label').describe('The volume with the labels'),
    imageKey: z
      .string()
      .min(1)
      .optional()
      .describe('The image that says where patches without a label may be centred. Default: anywhere'),
    imageThreshold: z.number().default(0).describe('They are centred only where the image is above this'),
    allowSmaller: z
      .boolean()
      .default(false)
      .describe('Take a volume smaller than a patch whole, rather than fail'),
    seed: seedType,
    keys: keysType('image and label'),
  },
  check: ({ pos = 1, neg = 1 }) => (pos + neg > 0 ? [] : ['pos and neg must not both be 0']),
  example: { spatialSize: [96, 96, 96], pos: 1, neg: 1, numSamples: 4, imageKey: 'image' },
  create: (options, context) =>
    splitCase(context, 'cpu', async (subject) => {
      const { pos = 1, neg = 1, numSamples = 1, labelKey = 'label', imageKey, seed } = options;
      const { runtime } = context;
      const label = volumeOf(subject, labelKey);
      const image = imageKey === undefined ? undefined : volumeOf(subject, imageKey);
      const keys = chooseKeys(subject, options.keys, geometryKeys);
      for (const key of imageKey === undefined ? keys : [...keys, imageKey]) {
        const { size } = volumeOf(subject, key);
        if (size.every((n, axis) => n === label.size[axis])) continue;
        throw new DataError(
          `${context.id}: in case ${subject.id}, ${key} has ${size.join(' x ')} voxels, but ${labelKey} has ` +
            `${label.size.join(' x ')}; patches are cut from volumes on one grid.`,
        );
      }
      const random = drawsFor(subject, context, seed);
      const plan = await runtime.run(
        patchStartsTask,
        label,
        image,
        {
          spatialSize: options.spatialSize as Vec3,
          positive: pos / (pos + neg),
          count: numSamples,
          allowSmaller: options.allowSmaller ?? false,
          imageThreshold: options.imageThreshold ?? 0,
        },
        [random.uint32(), random.uint32()],
      );
      return Promise.all(
        plan.starts.map(async (start, sample) => {
          const volumes: Record<string, Volume> = { ...subject.volumes };
          for (const key of keys) {
            volumes[key] = await runtime.run(cropOrPadTask, volumeOf(subject, key), start, plan.size);
          }
          return { ...subject, id: `${subject.id}#${sample}`, volumes };
        }),
      );
    }),
});

/**
 * Cuts `numSamples` patches of `spatialSize` voxels from each case, each a case of its own: `ID#0`, `ID#1` and so on. A patch
 * lies around a random voxel, with the probability pos / (pos + neg) one that has a label, and is moved inside where it
 * would reach out of the volume. Affines follow: every voxel keeps its place in mm.
 *
 * Mirrors MONAI's `RandCropByPosNegLabeld`; see `drawsFor` for the draws.
 *
 * @throws OptionError when built, without `spatialSize`.
 * @throws DataError, on the stream, for a patch larger than the volume, or when no voxel can be a centre.
 */
export function randCropByPosNegLabel(
  options: RandCropByPosNegLabelOptions,
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as randCropByPosNegLabelDefinition };
