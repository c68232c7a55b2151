import { DataError, listNames } from '../errors.js';
import { keysType, labelNumbers } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { selectChannels as kernel } from '../volume/channels.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapVolumes } from './map.js';

const selectChannelsTask = task(new URL('../volume/channels.js', import.meta.url), kernel);

/**
 * Keeps some channels, in the given order.
 *
 * Mirrors an index into the channels in Python, and MONAI's `SplitDimd` for one channel.
 *
 * @throws DataError, on the stream, if a volume does not have such a channel.
 */
export const selectChannels = operator({
  name: 'selectChannels',
  summary: 'Keeps some channels of volumes.',
  mirrors: 'SplitDimd, which makes a volume of each channel',
  options: {
    channels: labelNumbers.describe(
      'The channels to keep, from 0: one number, or a list in the order of the result',
    ),
    keys: keysType('image'),
  },
  example: { channels: [0, 2] },
  forecast: ({ channels, keys }) =>
    foreseeVolumes(keys, ['image'], (volume) => ({ ...volume, channels: channels.length })),
  create: ({ channels, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['image'], async (volume, key) => {
      const missing = channels.filter((channel) => channel >= volume.channels);
      if (missing.length > 0) {
        throw new DataError(
          `selectChannels: ${key} has ${volume.channels} channel(s), counted from 0, so there is no channel ` +
            `${listNames(missing.map(String), 'or')}.`,
        );
      }
      return context.runtime.run(selectChannelsTask, volume, channels);
    }),
});
