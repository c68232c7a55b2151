import { z } from 'zod';
import { distanceIfEmpty } from '../volume/surface.js';
import { operator } from './define.js';
import { evaluate, evaluationTypes, foreseeEvaluation } from './evaluation.js';

/**
 * The average distance between the surfaces of each label, in mm: the mean over the surface voxels of both masks of the
 * distance to the nearest surface voxel of the other; or, without `symmetric`, over those of the prediction.
 *
 * Columns: `assd_LABEL` (`asd_LABEL` without `symmetric`), and the mean over more than one label. Infinite where one of the
 * masks is empty, not defined (NaN) where both are.
 *
 * Mirrors MONAI 1.3.2's `SurfaceDistanceMetric` with the voxel size as its spacing; `symmetric` is false by default there.
 *
 * @throws DataError, on the stream, if volumes are missing, no label maps, or on different grids.
 */
export const averageSurfaceDistance = operator({
  name: 'averageSurfaceDistance',
  summary: 'Average surface distance of each label in mm.',
  mirrors: 'SurfaceDistanceMetric, where symmetric is false by default',
  options: {
    symmetric: z.boolean().default(true).describe('Average both directions, not from the prediction only'),
    ...evaluationTypes,
  },
  example: { symmetric: true },
  forecast: foreseeEvaluation,
  create: (options, context) =>
    evaluate(context, options, async ({ distances }) => {
      const { symmetric } = options;
      const values = (await distances()).map((found) => {
        const lists = symmetric ? [found.toReference, found.toPrediction] : [found.toReference];
        const count = lists.reduce((sum, list) => sum + list.length, 0);
        return distanceIfEmpty(found) ?? lists.reduce((sum, list) => sum + sumOf(list), 0) / count;
      });
      return [{ metric: symmetric ? 'assd' : 'asd', values, mean: true }];
    }),
});

function sumOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
