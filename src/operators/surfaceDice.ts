import { DataError, listNames } from '../errors.js';
import { byKey, distance } from '../optionTypes.js';
import { defineMetrics } from './defineMetric.js';
import { evaluationTypes } from './evaluation.js';

/**
 * Measures the surface Dice, or normalized surface distance, of each label (Nikolov et al. 2018): the share
 * of the surface voxels of both masks that lie within `tolerance` mm of the other surface, 0 to 1. A distance
 * counts as within the tolerance up to one part in a million beyond it, because headers store voxel sizes as
 * float32.
 *
 * Columns: `nsd_LABEL`, and `nsd_mean` if there are several labels. 0 where exactly one of the masks is
 * empty, undefined (NaN) where both are.
 *
 * Mirrors MONAI 1.3.2's `SurfaceDiceMetric` with the voxel size as its spacing and `use_subvoxels` false: it
 * counts surface voxels. DeepMind's surface-distance weights surface elements by their area, so its numbers
 * differ somewhat.
 *
 * @throws DataError, on the stream, if volumes are missing, are not label maps, or are on different grids, or
 * if a label has no tolerance.
 */
export const surfaceDice = defineMetrics({
  name: 'surfaceDice',
  summary:
    'Surface Dice of each label: the share of both surfaces that lies within a tolerance of the other.',
  mirrors: 'SurfaceDiceMetric with use_subvoxels false',
  options: {
    tolerance: byKey(distance)
      .default(3)
      .describe('How far surfaces may lie apart, in mm, or a map by label name or number'),
    ...evaluationTypes,
  },
  example: { tolerance: 3 },
  metrics: ({ tolerance }) => [
    {
      name: 'nsd',
      title: 'Surface Dice',
      better: 'higher',
      range: [0, 1],
      async measure({ labels, distances }) {
        const limits = labels.map(({ name }) => limitFor(name, tolerance));
        return (await distances()).map(({ toReference, toPrediction }, i) => {
          const within = countUpTo(toReference, limits[i]) + countUpTo(toPrediction, limits[i]);
          return within / (toReference.length + toPrediction.length);
        });
      },
    },
  ],
});

function limitFor(label: string, tolerance: number | Readonly<Record<string, number>>): number {
  const limit = typeof tolerance === 'number' ? tolerance : tolerance[label];
  if (limit !== undefined) return limit * (1 + 1e-6);
  throw new DataError(
    `surfaceDice: tolerance names ${listNames(Object.keys(tolerance))}, but not the label ${label}. Add it, or choose ` +
      'the labels to measure with "labels".',
  );
}

function countUpTo(ascending: Float64Array, limit: number): number {
  const first = ascending.findIndex((distance) => distance > limit);
  return first < 0 ? ascending.length : first;
}
