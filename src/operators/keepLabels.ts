import { z } from 'zod';
import { keysType, labelNumber } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { keepLabels as kernel } from '../volume/joinLabels.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapVolumes } from './map.js';

const keepLabelsTask = task(new URL('../volume/joinLabels.js', import.meta.url), kernel);

/**
 * Keeps some labels with their names, and sets all others to 0.
 *
 * Mirrors MONAI's `LabelFilterd`.
 */
export const keepLabels = operator({
  name: 'keepLabels',
  summary: 'Keeps some labels and sets all others to 0.',
  mirrors: 'LabelFilterd',
  options: {
    labels: z.array(labelNumber).min(1).describe('The labels to keep'),
    keys: keysType('pred'),
  },
  example: { labels: [1, 5] },
  forecast: ({ keys }) => foreseeVolumes(keys, ['pred'], (volume) => ({ ...volume })),
  create: ({ labels, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) =>
      context.runtime.run(keepLabelsTask, volume, labels),
    ),
});
