import { z } from 'zod';
import { distanceIfEmpty } from '../volume/surface.js';
import { defineMetrics } from './defineMetric.js';
import { evaluationTypes } from './evaluation.js';

/**
 * Measures the average distance between the surfaces of each label, in mm: the mean over the surface voxels
 * of both masks of the distance to the nearest surface voxel of the other, or with `symmetric: false` over
 * those of the prediction only.
 *
 * Columns: `assd_LABEL` (`asd_LABEL` if not symmetric), and the mean if there are several labels. Infinite
 * where exactly one of the masks is empty, undefined (NaN) where both are.
 *
 * Mirrors MONAI 1.3.2's `SurfaceDistanceMetric` with the voxel size as its spacing; there, `symmetric` is
 * false by default.
 *
 * @throws DataError, on the stream, if volumes are missing, are not label maps, or are on different grids.
 */
export const averageSurfaceDistance = defineMetrics({
  name: 'averageSurfaceDistance',
  summary: 'Average surface distance of each label in mm.',
  mirrors: 'SurfaceDistanceMetric, where symmetric is false by default',
  options: {
    symmetric: z.boolean().default(true).describe('Average both directions, not from the prediction only'),
    ...evaluationTypes,
  },
  example: { symmetric: true },
  metrics: ({ symmetric }) => [
    {
      name: symmetric ? 'assd' : 'asd',
      title: symmetric ? 'ASSD' : 'ASD',
      unit: 'mm',
      better: 'lower',
      range: [0, Number.POSITIVE_INFINITY],
      implies: { infinite: ['inOneOnly'] },
      async measure({ distances }) {
        return (await distances()).map((found) => {
          const lists = symmetric ? [found.toReference, found.toPrediction] : [found.toReference];
          const count = lists.reduce((sum, list) => sum + list.length, 0);
          return distanceIfEmpty(found) ?? lists.reduce((sum, list) => sum + sumOf(list), 0) / count;
        });
      },
    },
  ],
  optionsFor: (metric) => (metric === 'asd' ? { symmetric: false } : {}),
});

function sumOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
