import { z } from 'zod';
import { volumeOf, withVolumes } from '../case.js';
import { stackChannels } from '../formats/stackChannels.js';
import { task } from '../runtime/task.js';
import type { Volume, VolumeKind } from '../volume/volume.js';
import { operator } from './define.js';
import { foresee } from './forecast.js';
import { mapCase } from './map.js';

const stackChannelsTask = task(new URL('../formats/stackChannels.js', import.meta.url), stackChannels);

/**
 * Joins volumes on the same grid into one, whose channels are theirs in order. The affine and the steps that
 * `invert` undoes are those of the first. The volumes that were joined stay in the case.
 *
 * Mirrors MONAI's `ConcatItemsd`. Voxels keep their type if all have the same one; otherwise a type is used
 * that holds them all.
 *
 * @throws DataError, on the stream, if a volume is missing or the volumes are on different grids.
 */
export const concatItems = operator({
  name: 'concatItems',
  summary: 'Joins several volumes into one with their channels.',
  mirrors: 'ConcatItemsd along the channels; volumes on different grids are refused',
  options: {
    keys: z.array(z.string().min(1)).min(1).describe('The volumes to join, in the order of the channels'),
    name: z.string().min(1).default('image').describe('The key of the new volume; it may be one of keys'),
  },
  example: { keys: ['t1', 't2', 'flair'], name: 'image' },
  forecast:
    ({ keys, name }) =>
    (subject) => {
      const volumes = keys.flatMap((key) => subject.volumes[key] ?? []);
      if (volumes.length === 0) return subject;
      const joined = {
        ...volumes[0],
        channels: volumes.reduce((sum, { channels }) => sum + channels, 0),
        bytesPerVoxel: Math.max(...volumes.map(({ bytesPerVoxel }) => bytesPerVoxel)),
        kind: joinedKind(volumes),
      };
      return foresee(subject, { [name]: joined });
    },
  create: ({ keys, name }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const volumes = keys.map((key) => volumeOf(subject, key));
      const joined = await context.runtime.run(stackChannelsTask, volumes, keys);
      return withVolumes(subject, { [name]: { ...joined, kind: joinedKind(volumes) } });
    }),
});

/** The kind of all volumes, or `image` if they differ. */
function joinedKind(volumes: readonly Pick<Volume, 'kind'>[]): VolumeKind {
  const [{ kind }] = volumes;
  return volumes.every((volume) => volume.kind === kind) ? kind : 'image';
}
