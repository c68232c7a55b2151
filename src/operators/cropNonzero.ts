import { z } from 'zod';
import { chooseKeys, geometryKeys, volumeOf, withVolumes } from '../case.js';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { cropNonzero as kernel } from '../volume/nonzero.js';
import { operator } from './define.js';
import { foresee, foreseeVolumes, onGrid } from './forecast.js';
import { mapCase } from './map.js';
import { cropOrPadTask } from './spatialPad.js';

const cropNonzeroTask = task(new URL('../volume/nonzero.js', import.meta.url), kernel);

/**
 * Crops volumes to the box around all voxels of the source that are not 0 in any channel. Zeros that such
 * voxels enclose count as inside. An image of nothing but zeros stays whole.
 *
 * This is nnU-Net's crop. In contrast to `cropForeground`, negative values count too.
 */
export const cropNonzero = operator({
  name: 'cropNonzero',
  summary: 'Crops volumes to the bounding box of all voxels that are not 0, as nnU-Net does.',
  options: {
    sourceKey: z.string().default('image').describe('The volume whose voxels define the box'),
    mask: z
      .string()
      .min(1)
      .optional()
      .describe('Key under which the mask of these voxels, with holes filled, is added. Default: no mask'),
    keys: keysType('image and label'),
  },
  example: { mask: 'nonzero' },
  // The extent is not known yet. At most it is the whole volume.
  forecast: ({ sourceKey, mask, keys }) => {
    const crop = foreseeVolumes(
      keys,
      geometryKeys,
      (volume) => onGrid(volume, volume, { step: 'cropOrPad', start: [0, 0, 0] }),
      // The mask, and the zeros in it.
      ({ size }) => (mask ? 2 * size[0] * size[1] * size[2] : 0),
    );
    return (subject) => {
      const cropped = crop(subject);
      const source = cropped.volumes[sourceKey];
      if (!mask || !source) return cropped;
      return foresee(cropped, { [mask]: { ...source, channels: 1, bytesPerVoxel: 1, kind: 'label' } });
    };
  },
  create: ({ sourceKey, mask, keys }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const source = volumeOf(subject, sourceKey);
      const { box, nonzero } = await context.runtime.run(cropNonzeroTask, source, mask !== undefined);
      const cropped = await Promise.all(
        chooseKeys(subject, keys, geometryKeys).map(async (key) => {
          const volume = volumeOf(subject, key);
          return [key, await context.runtime.run(cropOrPadTask, volume, box.start, box.size)] as const;
        }),
      );
      const made = Object.fromEntries(cropped);
      return withVolumes(subject, mask && nonzero ? { ...made, [mask]: nonzero } : made);
    }),
});
