import { z } from 'zod';
import { volumeOf, withNotes, withVolumes } from '../case.js';
import { mostVoxels } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { cropOrPad } from '../volume/crop.js';
import { fitsSlabs, planSlabs, type Slab } from '../volume/slabs.js';
import { type Vec3, voxelCount } from '../volume/volume.js';
import { asStored } from './copyItems.js';
import { operator } from './define.js';
import { bytesOf, foresee } from './forecast.js';
import { splitCase } from './map.js';

const cropTask = task(new URL('../volume/crop.js', import.meta.url), cropOrPad);

const options = {
  key: z.string().min(1).default('image').describe('The volume to split'),
  slabs: z.int().min(2).max(64).default(3).describe('The number of slabs'),
  overlap: z
    .int()
    .min(1)
    .max(1000)
    .default(20)
    .describe('Slices by which a slab reaches into its neighbours'),
  minVoxels: z
    .int()
    .min(0)
    .max(2 ** 31)
    .default(0)
    .describe('Split only volumes of more voxels than this'),
  minSlices: z
    .int()
    .min(0)
    .max(mostVoxels)
    .default(0)
    .describe('Split only volumes of more slices than this'),
};

/**
 * Splits a volume along z into overlapping slabs, on which the steps up to `joinSlabs` run one by one, each
 * slab as a separate volume. Other volumes of the case stay whole. A slab counts as read on its grid, so
 * that the results of models come back to that.
 *
 * Slabs have floor(nz / slabs) slices, the last one also the rest, and overlap as in TotalSegmentator's
 * `force_split`. A volume that is not larger than both minimums, or too thin for its slabs, stays whole.
 */
export const splitSlabs = operator({
  name: 'splitSlabs',
  summary: 'Splits a volume along z into overlapping slabs for the steps up to joinSlabs.',
  options,
  example: { slabs: 3, minVoxels: 235_929_600, minSlices: 200 },
  forecast:
    ({ key, ...settings }) =>
    (subject) => {
      const volume = subject.volumes[key];
      const plan = volume && slabsOf(volume.size, settings);
      if (!plan) return subject;
      const depth = Math.max(...plan.map(({ start, end }) => end - start));
      const slab = { ...volume, size: [volume.size[0], volume.size[1], depth] as Vec3, history: [] };
      // The steps of one slab may begin while those of another one run.
      return foresee(subject, { [key]: slab }, (plan.length - 1) * bytesOf(slab));
    },
  create: ({ key, ...settings }, context) =>
    splitCase(context, 'cpu', async (subject) => {
      const volume = volumeOf(subject, key);
      const plan = slabsOf(volume.size, settings);
      if (!plan) {
        const thin =
          isLarge(volume.size, settings) && !fitsSlabs(volume.size, settings.slabs, settings.overlap);
        const note =
          `${context.id}: ${key} has ${volume.size[2]} slices, too few for ${settings.slabs} slabs that overlap by ` +
          `${settings.overlap}, so it was not split.`;
        return [withNotes(subject, thin ? [note] : [])];
      }
      const { size, affine } = volume;
      return Promise.all(
        plan.map(async (slab, index) => {
          const start: Vec3 = [0, 0, slab.start];
          const extent: Vec3 = [size[0], size[1], slab.end - slab.start];
          const part = asStored(await context.runtime.run(cropTask, volume, start, extent));
          const slabs = { index, plan, from: { size, affine }, timings: subject.timings };
          return { ...withVolumes(subject, { [key]: part }), slabs };
        }),
      );
    }),
});

type Settings = Readonly<Record<'slabs' | 'overlap' | 'minVoxels' | 'minSlices', number>>;

function isLarge(size: Vec3, { minVoxels, minSlices }: Settings): boolean {
  return voxelCount(size) > minVoxels && size[2] > minSlices;
}

/** The slabs of a volume, or undefined if it stays whole. */
function slabsOf(size: Vec3, settings: Settings): Slab[] | undefined {
  const { slabs, overlap } = settings;
  return isLarge(size, settings) && fitsSlabs(size, slabs, overlap)
    ? planSlabs(size[2], slabs, overlap)
    : undefined;
}
