import type { Overlap } from '../volume/overlap.js';
import { voxelCount } from '../volume/volume.js';
import { operator } from './define.js';
import { evaluate, evaluationTypes, foreseeEvaluation } from './evaluation.js';

/**
 * Sensitivity TP / (TP + FN), specificity TN / (TN + FP) and precision TP / (TP + FP) of each label, counted in voxels.
 * Columns: `sensitivity_LABEL`, `specificity_LABEL`, `precision_LABEL`, and their means over more than one label. Not
 * defined (NaN) where the denominator is 0: sensitivity without reference, precision without prediction. Specificity
 * counts every voxel outside the label, so it depends on how much air the image holds.
 *
 * Mirrors MONAI 1.3.2's `ConfusionMatrixMetric`.
 *
 * @throws DataError, on the stream, if volumes are missing, no label maps, or on different grids.
 */
export const confusion = operator({
  name: 'confusion',
  summary: 'Sensitivity, specificity and precision of each label, counted in voxels.',
  mirrors: 'ConfusionMatrixMetric, its sensitivity, specificity and precision',
  options: { ...evaluationTypes },
  example: {},
  forecast: foreseeEvaluation,
  create: (options, context) =>
    evaluate(context, options, ({ prediction, labels }) => {
      const voxels = voxelCount(prediction.size);
      const none = { predicted: 0, reference: 0, both: 0 };
      const share = (metric: string, of: (overlap: Counts) => number) => ({
        metric,
        values: labels.map(({ overlap }) => of(overlap ?? none)),
        mean: true,
      });
      return [
        share('sensitivity', ({ both, reference }) => both / reference),
        share(
          'specificity',
          ({ predicted, reference, both }) => (voxels - predicted - reference + both) / (voxels - reference),
        ),
        share('precision', ({ both, predicted }) => both / predicted),
      ];
    }),
});

type Counts = Pick<Overlap, 'predicted' | 'reference' | 'both'>;
