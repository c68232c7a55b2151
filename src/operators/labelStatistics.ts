import { z } from 'zod';
import { volumeOf, withMetrics } from '../case.js';
import { DataError } from '../errors.js';
import { extraMetrics, statisticsMetrics } from '../metrics/labelStatistics.js';
import type { MetricValue } from '../metrics/metric.js';
import { labelNumber } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import { labelStatistics as kernel, type LabelStatistics } from '../volume/labelStatistics.js';
import { operator } from './define.js';
import { mapCase } from './map.js';

const labelStatisticsTask = task(new URL('../volume/labelStatistics.js', import.meta.url), kernel);

/**
 * Measures each label of a segmentation: its volume in mm³, and the mean of the image in it. Values of the
 * image count as int16 without their fractions, and means are rounded to 5 decimals, as in TotalSegmentator's
 * `statistics.json`, which the sink `statisticsJson` writes. Labels without a voxel get 0.
 *
 * Columns: `volume_mm3_LABEL`, `intensity_LABEL`; with `extra` also `n_voxels`, `intensity_std`,
 * `intensity_min`, `intensity_max`, and in voxels along each axis `centroid_x`, `first_x` and `last_x`.
 *
 * @throws DataError, on the stream, if the label map has no names and `labels` is not given, or is not on the
 * grid of the image.
 */
export const labelStatistics = operator({
  name: 'labelStatistics',
  summary: 'Measures the volume of each label, and the mean of the image in it.',
  options: {
    key: z.string().min(1).default('pred').describe('The label map'),
    image: z.string().min(1).default('image').describe('The image, on the same grid'),
    labels: z.array(labelNumber).min(1).optional().describe('Labels to measure. Default: those with names'),
    border: z
      .int()
      .min(0)
      .max(1000)
      .default(0)
      .describe(
        'Labels with a voxel among this many outermost ones along an axis may be incomplete, and get 0',
      ),
    extra: z.boolean().default(false).describe('Also measure the spread of intensities, and positions'),
  },
  example: { border: 3 },
  create: ({ key, image: imageKey, labels, border, extra }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const [volume, image] = [volumeOf(subject, key), volumeOf(subject, imageKey)];
      const names = volume.labelNames ?? {};
      const wanted =
        labels ??
        Object.keys(names)
          .map(Number)
          .filter((label) => label !== 0);
      if (wanted.length === 0) {
        throw new DataError(
          `labelStatistics: the labels of ${key} have no names. List the labels to measure with "labels", or name ` +
            'them with nameLabels.',
        );
      }
      if (!sameGrid(volume, image)) {
        throw new DataError(
          `labelStatistics: ${key} (${volume.size.join(' x ')} voxels) of case ${subject.id} is not on the grid of ` +
            `${imageKey} (${image.size.join(' x ')}).`,
        );
      }
      const found = await context.runtime.run(labelStatisticsTask, volume, image, wanted, border);
      const values = wanted.flatMap((label, i) => valuesOf(names[label] ?? String(label), found[i], extra));
      return withMetrics(subject, values);
    }),
});

function valuesOf(label: string, found: LabelStatistics, extra: boolean): MetricValue[] {
  const { volume, intensity } = statisticsMetrics;
  const { voxels, std, min, max, centroid, low, high } = extraMetrics;
  const basic = [
    { metric: volume, label, value: found.volume },
    { metric: intensity, label, value: found.mean },
  ];
  if (!extra) return basic;
  const along = (metrics: typeof centroid, values: readonly number[] | undefined) =>
    metrics.map((metric, axis) => ({ metric, label, value: values?.[axis] ?? Number.NaN }));
  return [
    ...basic,
    { metric: voxels, label, value: found.voxels },
    { metric: std, label, value: found.std },
    { metric: min, label, value: found.min },
    { metric: max, label, value: found.max },
    ...along(centroid, found.centroid),
    ...along(low, found.box?.low),
    ...along(high, found.box?.high),
  ];
}
