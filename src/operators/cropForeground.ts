import { z } from 'zod';
import { chooseKeys, geometryKeys, volumeOf, withNotes, withVolumes } from '../case.js';
import { distance, keysType, labelNumber, mostVoxels, perAxis } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { headerSpacing } from '../volume/cornerZoom.js';
import { foregroundBox } from '../volume/crop.js';
import type { Grid, Triple, Vec3, Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { foreseeVolumes, onGrid } from './forecast.js';
import { mapCase } from './map.js';
import { assertOneGrid } from './patches.js';
import { cropOrPadTask } from './spatialPad.js';

const foregroundBoxTask = task(new URL('../volume/crop.js', import.meta.url), foregroundBox);

/**
 * Crops volumes to the bounding box of the voxels of `sourceKey` that are above zero, grown by `margin`
 * voxels. Affines follow: every voxel keeps its position in mm.
 *
 * Mirrors MONAI's `CropForegroundd` with its default `select_fn`. MONAI has no `marginMm`, for which voxel
 * sizes are rounded to float32, as TotalSegmentator does.
 *
 * @throws DataError, on the stream, if no voxel is above zero, unless `ifEmpty` says otherwise.
 */
export const cropForeground = operator({
  name: 'cropForeground',
  summary: 'Crops volumes to the bounding box of all voxels above zero.',
  mirrors: 'CropForegroundd, with the default select_fn (above zero)',
  options: {
    sourceKey: z.string().default('image').describe('The volume whose voxels above 0 define the box'),
    margin: perAxis(z.int().min(0).max(mostVoxels))
      .default([0, 0, 0])
      .describe('Voxels to keep around the box: one number, or one per axis'),
    marginMm: perAxis(distance)
      .optional()
      .describe(
        'The margin in mm instead of voxels: one number, or one per axis; fractions of voxels are cut off',
      ),
    allowSmaller: z
      .boolean()
      .default(true)
      .describe("Clip the margin at the volume's border instead of padding with zeros"),
    kDivisible: perAxis(z.int().min(1).max(mostVoxels))
      .default([1, 1, 1])
      .describe('Grow the box to a multiple of this many voxels: one number, or one per axis'),
    channelIndices: z.array(labelNumber).optional().describe('Channels of the source to use. Default: all'),
    ifEmpty: z
      .enum(['fail', 'keep', 'voxel'])
      .default('fail')
      .describe(
        'Without a voxel above 0: fail the case, or keep the whole volume or only its first voxel and say so in a ' +
          'note. voxel is for pipelines that end with clearIfEmpty',
      ),
    keys: keysType('image and label'),
  },
  example: { margin: 2 },
  // The extent of the foreground is not known yet. At most it is the whole volume.
  forecast: ({ allowSmaller, kDivisible, keys, ...options }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => {
      const margin = marginOf(volume, options);
      const size = volume.size.map((n, axis) => {
        const grown = allowSmaller ? n : n + 2 * margin[axis];
        const multiple = kDivisible[axis];
        return Math.ceil(grown / multiple) * multiple;
      }) as Triple;
      return onGrid(volume, { ...volume, size }, { step: 'cropOrPad', start: [0, 0, 0] });
    }),
  create: (options, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const source = volumeOf(subject, options.sourceKey);
      const box = await context.runtime.run(foregroundBoxTask, source, {
        margin: marginOf(source, options),
        kDivisible: options.kDivisible,
        allowSmaller: options.allowSmaller,
        channelIndices: options.channelIndices,
        ifEmpty: options.ifEmpty,
      });
      const kept = options.ifEmpty === 'voxel' ? 'nothing' : 'the whole volume';
      const note = `${context.id}: no voxel of ${options.sourceKey} is above 0, so ${kept} was kept.`;
      if (box.empty && options.ifEmpty === 'keep') return withNotes(subject, [note]);
      const made: Record<string, Volume> = {};
      const keys = chooseKeys(subject, options.keys, geometryKeys);
      assertOneGrid(context, subject, options.sourceKey, keys);
      for (const key of keys) {
        made[key] = await context.runtime.run(cropOrPadTask, volumeOf(subject, key), box.start, box.size);
      }
      return withNotes(withVolumes(subject, made), box.empty ? [note] : []);
    }),
});

/** The margin in voxels. */
function marginOf(
  grid: Pick<Grid, 'affine'>,
  { margin, marginMm }: { readonly margin: Vec3; readonly marginMm?: Vec3 | undefined },
): Vec3 {
  if (!marginMm) return margin;
  const spacing = headerSpacing(grid);
  return marginMm.map((mm, axis) => Math.trunc(mm / spacing[axis])) as Triple;
}
