import { voxelCount } from '../volume/volume.js';
import { defineMetrics } from './defineMetric.js';
import type { EvaluatedLabel } from './evaluatedLabels.js';
import { evaluationTypes } from './evaluation.js';

/** Voxels of a label in the prediction, in the reference, and in both. */
const countsOf = ({ overlap }: EvaluatedLabel) => overlap ?? { predicted: 0, reference: 0, both: 0 };

/**
 * Measures sensitivity TP / (TP + FN), specificity TN / (TN + FP) and precision TP / (TP + FP) of each label,
 * counted in voxels. Columns: `sensitivity_LABEL`, `specificity_LABEL`, `precision_LABEL`, and their means if
 * there are several labels. Undefined (NaN) where the denominator is 0: sensitivity without reference,
 * precision without prediction. Specificity counts every voxel outside the label, so it depends on how much
 * air is in the image.
 *
 * Mirrors MONAI 1.3.2's `ConfusionMatrixMetric`.
 *
 * @throws DataError, on the stream, if volumes are missing, are not label maps, or are on different grids.
 */
export const confusion = defineMetrics({
  name: 'confusion',
  summary: 'Sensitivity, specificity and precision of each label, counted in voxels.',
  mirrors: 'ConfusionMatrixMetric, its sensitivity, specificity and precision',
  options: { ...evaluationTypes },
  example: {},
  metrics: () => [
    {
      name: 'sensitivity',
      title: 'Sensitivity',
      better: 'higher',
      range: [0, 1],
      implies: { zero: ['inReference', 'noOverlap'], nan: ['notInReference'] },
      measure: ({ labels }) => labels.map(countsOf).map(({ both, reference }) => both / reference),
    },
    {
      name: 'specificity',
      title: 'Specificity',
      better: 'higher',
      range: [0, 1],
      measure({ prediction, labels, ignored }) {
        const voxels = voxelCount(prediction.size) - ignored;
        return labels
          .map(countsOf)
          .map(
            ({ predicted, reference, both }) =>
              (voxels - predicted - reference + both) / (voxels - reference),
          );
      },
    },
    {
      name: 'precision',
      title: 'Precision',
      better: 'higher',
      range: [0, 1],
      implies: { zero: ['predicted', 'noOverlap'], nan: ['notPredicted'] },
      measure: ({ labels }) => labels.map(countsOf).map(({ both, predicted }) => both / predicted),
    },
  ],
});
