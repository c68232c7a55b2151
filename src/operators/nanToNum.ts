import { intensity, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { nanToNum as kernel } from '../volume/nanToNum.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapVolumes } from './map.js';

const nanToNumTask = task(new URL('../volume/nanToNum.js', import.meta.url), kernel);

/** The largest float32. */
const largest = (2 - 2 ** -23) * 2 ** 127;

/**
 * Replaces voxels that are NaN or infinite. The voxel type stays, and volumes without such voxels are not
 * copied. `load` refuses files with such voxels unless its `nonFinite` says otherwise.
 *
 * Mirrors PyTorch's `nan_to_num`, and MONAI's `SignalFillEmptyd` and similar steps of its bundles.
 */
export const nanToNum = operator({
  name: 'nanToNum',
  summary: 'Replaces voxels that are NaN or infinite.',
  mirrors: "PyTorch's nan_to_num",
  options: {
    nan: intensity.default(0).describe('The value for NaN'),
    posinf: intensity.default(largest).describe('The value for infinity. Default: the largest float32'),
    neginf: intensity.default(-largest).describe('The value for -infinity. Default: the smallest float32'),
    keys: keysType('image'),
  },
  example: { nan: 0, posinf: 0, neginf: 0 },
  forecast: ({ keys }) => foreseeVolumes(keys, ['image'], (volume) => ({ ...volume })),
  create: ({ nan, posinf, neginf, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['image'], (volume) =>
      context.runtime.run(nanToNumTask, volume, { nan, posinf, neginf }),
    ),
});
