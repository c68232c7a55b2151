import { z } from 'zod';
import { quantileOf } from '../volume/quantile.js';
import { distanceIfEmpty } from '../volume/surface.js';
import { defineMetrics } from './defineMetric.js';
import { evaluationTypes } from './evaluation.js';

/**
 * Measures the Hausdorff distance between the surfaces of each label, in mm: the largest distance from a
 * surface voxel of one mask to the nearest of the other, in either direction, or with `directed` from the
 * prediction to the reference only. With `percentile`, that percentile of the distances is taken in each
 * direction, linearly interpolated, and then the larger.
 *
 * Columns: `hd_LABEL`, or `hd95_LABEL` for percentile 95, or `directed_hd_LABEL`; and the mean if there are
 * several labels. Infinite where exactly one of the masks is empty, undefined (NaN) where both are.
 *
 * Mirrors MONAI 1.3.2's `HausdorffDistanceMetric` with the voxel size as its spacing; there, a percentile is
 * NaN where one mask is empty. `surfaceDistances` defines the surface.
 *
 * @throws DataError, on the stream, if volumes are missing, are not label maps, or are on different grids.
 */
export const hausdorff = defineMetrics({
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
    directed: z.boolean().default(false).describe('Measure from the prediction to the reference only'),
    ...evaluationTypes,
  },
  example: { percentile: 95 },
  metrics: ({ percentile, directed }) => [
    {
      name: `${directed ? 'directed_' : ''}hd${percentile ?? ''}`,
      title: `${directed ? 'Directed ' : ''}${percentile === undefined ? 'Hausdorff' : `HD${percentile}`}`,
      unit: 'mm',
      better: 'lower',
      range: [0, Number.POSITIVE_INFINITY],
      implies: { infinite: ['inOneOnly'] },
      async measure({ distances }) {
        return (await distances()).map((found) => {
          const farthest = [found.toReference, ...(directed ? [] : [found.toPrediction])].map((list) =>
            quantileOf(list, (percentile ?? 100) / 100),
          );
          return distanceIfEmpty(found) ?? Math.max(...farthest);
        });
      },
    },
  ],
  optionsFor(metric) {
    const [, directed, percentile] = /^(directed_)?hd(.*)$/.exec(metric) ?? [];
    if (percentile === undefined) return undefined;
    return { ...(percentile && { percentile: Number(percentile) }), ...(directed && { directed: true }) };
  },
});
