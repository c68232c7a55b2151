import { z } from 'zod';
import { quantileOf } from '../volume/quantile.js';
import { distanceIfEmpty } from '../volume/surface.js';
import { operator } from './define.js';
import { evaluate, evaluationTypes, foreseeEvaluation } from './evaluation.js';

/**
 * The Hausdorff distance between the surfaces of each label, in mm: the largest distance from a surface voxel of one mask
 * to the nearest of the other, in either direction (or with `directed` from the prediction to the reference). With
 * `percentile`, that percentile of the distances in each direction, linearly interpolated, and then the larger.
 *
 * Columns: `hd_LABEL`, `hd95_LABEL` for percentile 95, `directed_hd_LABEL`, and the mean over more than one label. Infinite
 * where one of the masks is empty, not defined (NaN) where both are.
 *
 * Mirrors MONAI 1.3.2's `HausdorffDistanceMetric` with the voxel size as its spacing; there a percentile is NaN where one
 * mask is empty. See `surfaceDistances` for what a surface is.
 *
 * @throws DataError, on the stream, if volumes are missing, no label maps, or on different grids.
 */
export const hausdorff = operator({
  name: 'hausdorff',
  summary: 'Hausdorff distance of each label in mm, or a percentile of it.',
  mirrors: 'HausdorffDistanceMetric, but a percentile is infinite, not NaN, where one mask is empty',
  options: {
    percentile: z
      .number()
      .gt(0)
      .max(100)
      .optional()
      .describe('Take this percentile of the distances, not the largest: above 0, up to 100'),
    directed: z.boolean().default(false).describe('Look from the prediction to the reference only'),
    ...evaluationTypes,
  },
  example: { percentile: 95 },
  forecast: foreseeEvaluation,
  create: (options, context) =>
    evaluate(context, options, async ({ distances }) => {
      const { percentile = 100, directed } = options;
      const metric = `${directed ? 'directed_' : ''}hd${options.percentile ?? ''}`;
      const values = (await distances()).map((found) => {
        const farthest = [found.toReference, ...(directed ? [] : [found.toPrediction])].map((list) =>
          quantileOf(list, percentile / 100),
        );
        return distanceIfEmpty(found) ?? Math.max(...farthest);
      });
      return [{ metric, values, mean: true }];
    }),
});
