import { z } from 'zod';
import { DataError, listNames } from '../errors.js';
import { byKey } from '../optionTypes.js';
import { operator } from './define.js';
import { evaluate, evaluationTypes, foreseeEvaluation } from './evaluation.js';

/**
 * The surface Dice, or normalized surface distance, of each label (Nikolov et al. 2018): of the surface voxels of both
 * masks, the share that lies within `tolerance` mm of the other surface, 0 to 1. A distance counts as within the tolerance
 * up to one part in a million beyond it, since headers hold voxel sizes as float32.
 *
 * Columns: `nsd_LABEL`, and `nsd_mean` over more than one label. 0 where one of the masks is empty, not defined (NaN) where
 * both are.
 *
 * Mirrors MONAI 1.3.2's `SurfaceDiceMetric` with the voxel size as its spacing and `use_subvoxels` false: it counts surface
 * voxels. DeepMind's surface-distance weighs them by their surface area and gives somewhat other numbers.
 *
 * @throws DataError, on the stream, if volumes are missing, no label maps, or on different grids, or a label has no
 * tolerance.
 */
export const surfaceDice = operator({
  name: 'surfaceDice',
  summary:
    'Surface Dice of each label: the share of both surfaces that lies within a tolerance of the other.',
  mirrors: 'SurfaceDiceMetric with use_subvoxels false',
  options: {
    tolerance: byKey(z.number().min(0))
      .default(3)
      .describe('How far surfaces may lie apart, in mm, or a map by label name or number'),
    ...evaluationTypes,
  },
  example: { tolerance: 3 },
  forecast: foreseeEvaluation,
  create: (options, context) =>
    evaluate(context, options, async ({ labels, distances }) => {
      const limits = labels.map(({ name }) => limitFor(name, options.tolerance));
      const values = (await distances()).map(({ toReference, toPrediction }, i) => {
        const within = countUpTo(toReference, limits[i]) + countUpTo(toPrediction, limits[i]);
        return within / (toReference.length + toPrediction.length);
      });
      return [{ metric: 'nsd', values, mean: true }];
    }),
});

function limitFor(label: string, tolerance: number | Readonly<Record<string, number>>): number {
  const limit = typeof tolerance === 'number' ? tolerance : tolerance[label];
  if (limit !== undefined) return limit * (1 + 1e-6);
  throw new DataError(
    `surfaceDice: tolerance names ${listNames(Object.keys(tolerance))}, but not the label ${label}. Add it, or choose ` +
      'the labels to evaluate with "labels".',
  );
}

function countUpTo(ascending: Float64Array, limit: number): number {
  const first = ascending.findIndex((distance) => distance > limit);
  return first < 0 ? ascending.length : first;
}
