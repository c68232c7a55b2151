import { z } from 'zod';
import { chooseKeys, volumeOf, withVolumes } from '../case.js';
import { keysType } from '../optionTypes.js';
import { allocateLike, type Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { foreseeCleaning } from './forecast.js';
import { mapCase } from './map.js';

/**
 * Sets volumes to 0 if a mask has no voxel. It ends a pipeline that crops to the mask with `cropForeground:
 * { ifEmpty: voxel }`, and whose result means nothing where there was nothing to crop to.
 */
export const clearIfEmpty = operator({
  name: 'clearIfEmpty',
  summary: 'Sets volumes to 0 if a mask has no voxel.',
  options: {
    mask: z.string().min(1).describe('The mask: voxels above 0'),
    keys: keysType('pred'),
  },
  example: { mask: 'coarse' },
  forecast: ({ keys }) => foreseeCleaning(keys, ['pred']),
  create: ({ mask, keys }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      if (volumeOf(subject, mask).data.some((value) => value > 0)) return subject;
      const made: Record<string, Volume> = {};
      for (const key of chooseKeys(subject, keys, ['pred'])) {
        const volume = volumeOf(subject, key);
        made[key] = { ...volume, data: allocateLike(volume.data, volume.data.length) };
      }
      return withVolumes(subject, made);
    }),
});
