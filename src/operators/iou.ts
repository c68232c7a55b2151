import { operator } from './define.js';
import { evaluate, evaluationTypes, foreseeEvaluation } from './evaluation.js';

/**
 * The intersection over union |P ∩ R| / |P ∪ R| of each label, 0 to 1 (Jaccard 1912). Columns: `iou_LABEL`, and
 * `iou_mean` over more than one label. Not defined (NaN) where the reference does not have the label.
 *
 * Mirrors MONAI 1.3.2's `MeanIoU` with its default `ignore_empty`.
 *
 * @throws DataError, on the stream, if volumes are missing, no label maps, or on different grids.
 */
export const iou = operator({
  name: 'iou',
  summary: 'Intersection over union (Jaccard index) of each label.',
  mirrors: 'MeanIoU (ignore_empty, as by default): not defined where the reference has nothing',
  options: { ...evaluationTypes },
  example: {},
  forecast: foreseeEvaluation,
  create: (options, context) =>
    evaluate(context, options, ({ labels }) => [
      {
        metric: 'iou',
        values: labels.map(({ overlap }) =>
          overlap?.reference
            ? overlap.both / (overlap.predicted + overlap.reference - overlap.both)
            : Number.NaN,
        ),
        mean: true,
      },
    ]),
});
