import { z } from 'zod';
import { chooseKeys, geometryKeys, volumeOf } from '../case.js';
import { DataError } from '../errors.js';
import { keysType, perAxis } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { patchStarts } from '../volume/patches.js';
import type { Triple, Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { drawsFor, seedType } from './draws.js';
import { bytesOf, foresee, onGrid } from './forecast.js';
import { splitCase } from './map.js';
import { cropOrPadTask } from './spatialPad.js';

const patchStartsTask = task(new URL('../volume/patches.js', import.meta.url), patchStarts);

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
export const randCropByPosNegLabel = operator({
  name: 'randCropByPosNegLabel',
  summary: 'Cuts random patches, a share of them around labelled voxels; each becomes a case of its own.',
  mirrors: "RandCropByPosNegLabeld; the draws are those of voxstream's own generator",
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
  check: ({ pos, neg }) => (pos + neg > 0 ? [] : ['pos and neg must not both be 0']),
  example: { spatialSize: [96, 96, 96], pos: 1, neg: 1, numSamples: 4, imageKey: 'image' },
  // All patches are there at once. The volumes that they are cut from stay until the last one is made.
  forecast:
    ({ spatialSize, numSamples, keys }) =>
    (subject) => {
      const chosen = [keys ?? geometryKeys].flat().filter((key) => key in subject.volumes);
      const patches = chosen.map((key) => {
        const volume = subject.volumes[key];
        const size = volume.size.map((n, axis) =>
          spatialSize[axis] > 0 ? Math.min(spatialSize[axis], n) : n,
        ) as Triple;
        return [key, onGrid(volume, { ...volume, size }, { step: 'cropOrPad', start: [0, 0, 0] })] as const;
      });
      const others = patches.reduce((sum, [, patch]) => sum + (numSamples - 1) * bytesOf(patch), 0);
      return foresee(subject, Object.fromEntries(patches), others);
    },
  create: (options, context) =>
    splitCase(context, 'cpu', async (subject) => {
      const { pos, neg, numSamples, labelKey, imageKey, seed } = options;
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
          spatialSize: options.spatialSize,
          positive: pos / (pos + neg),
          count: numSamples,
          allowSmaller: options.allowSmaller,
          imageThreshold: options.imageThreshold,
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
