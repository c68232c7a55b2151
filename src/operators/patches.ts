import { z } from 'zod';
import { type Case, chooseKeys, geometryKeys, volumeOf } from '../case.js';
import { DataError, show } from '../errors.js';
import { intensity, keysType } from '../optionTypes.js';
import { sameGrid } from '../volume/affine.js';
import type { PatchPlan } from '../volume/patches.js';
import type { Triple, Vec3, Volume } from '../volume/volume.js';
import type { StepContext } from './define.js';
import { drawsFor, seedType } from './draws.js';
import { bytesOf, type Forecaster, foresee, onGrid } from './forecast.js';
import { splitCase } from './map.js';
import { cropOrPadTask } from './spatialPad.js';

/** Throws DataError unless all volumes are on the grid of the one that positions are chosen in. */
export function assertOneGrid(
  context: StepContext,
  subject: Case,
  reference: string,
  keys: readonly string[],
): void {
  const grid = volumeOf(subject, reference);
  for (const key of keys) {
    const other = volumeOf(subject, key);
    if (sameGrid(other, grid)) continue;
    const sizesDiffer = other.size.some((n, axis) => n !== grid.size[axis]);
    const tell = ({ size, affine }: Volume) =>
      sizesDiffer ? `${size.join(' x ')} voxels` : `the affine ${show(affine, 300)}`;
    throw new DataError(
      `${context.id}: in case ${subject.id}, ${key} has ${tell(other)}, but ${reference} has ${tell(grid)}. ` +
        'Patches and crops need volumes on the same grid; resampleToMatch brings them together.',
    );
  }
}

/** The patches of a case as cases, `ID#0`, `ID#1` and so on. */
export function cutPatches(
  { runtime }: StepContext,
  subject: Case,
  keys: readonly string[],
  plan: PatchPlan,
): Promise<Case[]> {
  return Promise.all(
    plan.starts.map(async (start, sample) => {
      const volumes: Record<string, Volume> = { ...subject.volumes };
      for (const key of keys) {
        volumes[key] = await runtime.run(cropOrPadTask, volumeOf(subject, key), start, plan.size);
      }
      return { ...subject, id: `${subject.id}#${sample}`, volumes };
    }),
  );
}

/**
 * Predicts `count` patches, which are all there at once. The volumes that they are cut from stay until the
 * last one is made.
 */
export function foreseePatches(spatialSize: Vec3, count: number, keys: readonly string[]): Forecaster {
  return (subject) => {
    const chosen = keys.filter((key) => key in subject.volumes);
    const patches = chosen.map((key) => {
      const volume = subject.volumes[key];
      const size = volume.size.map((n, axis) =>
        spatialSize[axis] > 0 ? Math.min(spatialSize[axis], n) : n,
      ) as Triple;
      return [key, onGrid(volume, { ...volume, size }, { step: 'cropOrPad', start: [0, 0, 0] })] as const;
    });
    const others = patches.reduce((sum, [, patch]) => sum + (count - 1) * bytesOf(patch), 0);
    return foresee(subject, Object.fromEntries(patches), others);
  };
}

/** The options of operators that cut patches around labelled voxels. */
export const labelledPatchOptions = {
  numSamples: z.int().min(1).max(4096).default(1).describe('Patches per case'),
  labelKey: z.string().min(1).default('label').describe('The volume with the labels'),
  imageKey: z
    .string()
    .min(1)
    .optional()
    .describe('The image that limits where patches may be centred. Default: anywhere'),
  imageThreshold: intensity.default(0).describe('Centre them only where the image is above this value'),
  allowSmaller: z
    .boolean()
    .default(false)
    .describe('Use a volume that is smaller than a patch whole instead of failing'),
  seed: seedType,
  keys: keysType('image and label'),
};

/**
 * Cuts the patches that `choose` plans for the label and the image of each case. It is called with the two
 * numbers that seed its random draws.
 */
export function cutAroundLabels(
  context: StepContext,
  options: {
    readonly labelKey: string;
    readonly imageKey?: string | undefined;
    readonly seed?: number | undefined;
    readonly keys?: string | readonly string[] | undefined;
  },
  choose: (
    label: Volume,
    image: Volume | undefined,
    seed: readonly [number, number],
  ) => PromiseLike<PatchPlan>,
) {
  const { labelKey, imageKey, seed } = options;
  return splitCase(context, 'cpu', async (subject) => {
    const label = volumeOf(subject, labelKey);
    const image = imageKey === undefined ? undefined : volumeOf(subject, imageKey);
    const keys = chooseKeys(subject, options.keys, geometryKeys);
    assertOneGrid(context, subject, labelKey, imageKey === undefined ? keys : [...keys, imageKey]);
    const random = drawsFor(subject, context, seed);
    const plan = await choose(label, image, [random.uint32(), random.uint32()]);
    return cutPatches(context, subject, keys, plan);
  });
}
