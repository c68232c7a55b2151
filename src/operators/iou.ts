import { defineMetric } from './defineMetric.js';

/**
 * Measures the intersection over union |P ∩ R| / |P ∪ R| of each label, 0 to 1 (Jaccard 1912). Columns:
 * `iou_LABEL`, and `iou_mean` if there are several labels. Undefined (NaN) where the reference does not have
 * the label.
 *
 * Mirrors MONAI 1.3.2's `MeanIoU` with its default `ignore_empty`.
 *
 * @throws DataError, on the stream, if volumes are missing, are not label maps, or are on different grids.
 */
export const iou = defineMetric({
  name: 'iou',
  title: 'IoU',
  better: 'higher',
  range: [0, 1],
  implies: { zero: ['inReference', 'noOverlap'], nan: ['notInReference'] },
  summary: 'Intersection over union (Jaccard index) of each label.',
  mirrors: 'MeanIoU (ignore_empty, as by default): undefined where the reference is empty',
  measure: ({ labels }) =>
    labels.map(({ overlap }) =>
      overlap?.reference ? overlap.both / (overlap.predicted + overlap.reference - overlap.both) : Number.NaN,
    ),
});
