import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { truncate as kernel } from '../volume/truncate.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapVolumes } from './map.js';

const truncateTask = task(new URL('../volume/truncate.js', import.meta.url), kernel);

/**
 * Cuts the fractions of voxels off, towards zero: 1.9 becomes 1, and -1.9 becomes -1. The result is int32.
 * Volumes of integers stay as they are. Numpy's `astype(np.int32)`.
 *
 * @throws DataError, on the stream, if a voxel does not fit int32.
 */
export const truncate = operator({
  name: 'truncate',
  summary: 'Cuts the fractions of voxels off, towards zero.',
  mirrors: 'CastToTyped with dtype int32, except that integers keep their type',
  options: { keys: keysType('image') },
  example: {},
  forecast: ({ keys }) =>
    foreseeVolumes(keys, ['image'], (volume) =>
      volume.kind === 'label' ? volume : { ...volume, bytesPerVoxel: 4 },
    ),
  create: ({ keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['image'], (volume) => context.runtime.run(truncateTask, volume)),
});
