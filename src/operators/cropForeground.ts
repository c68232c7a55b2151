import { z } from 'zod';
import { chooseKeys, geometryKeys, volumeOf, withNotes, withVolumes } from '../case.js';
import { keysType, labelNumber, mostVoxels, perAxis } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { foregroundBox } from '../volume/crop.js';
import type { Triple, Volume } from '../volume/volume.js';
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
 * Mirrors MONAI's `CropForegroundd` with its default `select_fn`.
 *
 * @throws DataError, on the stream, if no voxel is above zero, unless `ifEmpty` is `keep`.
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
    allowSmaller: z
      .boolean()
      .default(true)
      .describe("Clip the margin at the volume's border instead of padding with zeros"),
    kDivisible: perAxis(z.int().min(1).max(mostVoxels))
      .default([1, 1, 1])
      .describe('Grow the box to a multiple of this many voxels: one number, or one per axis'),
    channelIndices: z.array(labelNumber).optional().describe('Channels of the source to use. Default: all'),
    ifEmpty: z
      .enum(['fail', 'keep'])
      .default('fail')
      .describe('Without a voxel above 0: fail the case, or keep the whole volume and say so in a note'),
    keys: keysType('image and label'),
  },
  example: { margin: 2 },
  // The extent of the foreground is not known yet. At most it is the whole volume.
  forecast: ({ margin, allowSmaller, kDivisible, keys }) =>
    foreseeVolumes(keys, geometryKeys, (volume) => {
      const size = volume.size.map((n, axis) => {
        const grown = allowSmaller ? n : n + 2 * margin[axis];
        const multiple = kDivisible[axis];
        return Math.ceil(grown / multiple) * multiple;
      }) as Triple;
      return onGrid(volume, { ...volume, size }, { step: 'cropOrPad', start: [0, 0, 0] });
    }),
  create: (options, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const box = await context.runtime.run(foregroundBoxTask, volumeOf(subject, options.sourceKey), {
        margin: options.margin,
        kDivisible: options.kDivisible,
        allowSmaller: options.allowSmaller,
        channelIndices: options.channelIndices,
        ifEmpty: options.ifEmpty,
      });
      if (box.empty) {
        const note = `${context.id}: no voxel of ${options.sourceKey} is above 0, so the whole volume was kept.`;
        return withNotes(subject, [note]);
      }
      const made: Record<string, Volume> = {};
      const keys = chooseKeys(subject, options.keys, geometryKeys);
      assertOneGrid(context, subject, options.sourceKey, keys);
      for (const key of keys) {
        made[key] = await context.runtime.run(cropOrPadTask, volumeOf(subject, key), box.start, box.size);
      }
      return withVolumes(subject, made);
    }),
});
