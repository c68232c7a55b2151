import { z } from 'zod';
import { keysType } from '../optionTypes.js';
import { operator } from './define.js';
import { mapVolumes } from './map.js';

/** Names by label. */
export const labelNames = z.record(
  z.string().regex(/^\d+$/, 'whole numbers as labels'),
  z.string().min(1).max(200),
);

/**
 * Gives label maps the names of their labels, instead of those that they had. Sinks write them: `nifti` with
 * `perLabel` writes a mask for each label that has a name, whether or not it occurs.
 */
export const nameLabels = operator({
  name: 'nameLabels',
  summary: 'Gives label maps the names of their labels.',
  options: {
    names: labelNames.describe('The name of each label'),
    keys: keysType('pred'),
  },
  example: { names: { 1: 'spleen', 2: 'liver' } },
  create: ({ names, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], async (volume) => ({ ...volume, labelNames: names })),
});
