import { keysType } from '../optionTypes.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapVolumes } from './map.js';
import { channelNames, mergeClassesTask } from './mergeClasses.js';

/** The channels, and their labels: 1 necrotic core, 2 oedema, 4 enhancing tumour. */
const groups = { 'tumor core': [1, 4], 'whole tumor': [1, 4, 2], 'enhancing tumor': [4] };

/**
 * Converts the labels of BraTS (1 necrotic core, 2 oedema, 4 enhancing tumour) to three overlapping channels:
 * tumour core (1 and 4), whole tumour (1, 2 and 4) and enhancing tumour (4).
 *
 * Mirrors MONAI's `ConvertToMultiChannelBasedOnBratsClassesd`. For other labels, use `mergeClasses`.
 */
export const convertToMultiChannelBrats = operator({
  name: 'convertToMultiChannelBrats',
  summary: 'Converts the labels of BraTS to channels: tumor core, whole tumor, enhancing tumor.',
  mirrors: 'ConvertToMultiChannelBasedOnBratsClassesd',
  options: { keys: keysType('label') },
  example: { keys: 'label' },
  forecast: ({ keys }) =>
    foreseeVolumes(keys, ['label'], (volume) => ({
      ...volume,
      channels: 3,
      bytesPerVoxel: 1,
      kind: 'label',
    })),
  create: ({ keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['label'], async (volume) => ({
      ...(await context.runtime.run(mergeClassesTask, volume, Object.values(groups))),
      labelNames: channelNames(Object.keys(groups)),
    })),
});
