import { voxelVolume } from '../volume/affine.js';
import { operator } from './define.js';
import { evaluate, evaluationTypes, foreseeEvaluation } from './evaluation.js';

/**
 * The volume of each label in mL, voxels times their size. Columns: `volume_ml_LABEL` of the prediction,
 * `volume_ml_ref_LABEL` of the reference, `volume_difference_ml_LABEL` (prediction less reference) and
 * `volume_relative_LABEL`, the difference over the reference's volume: not defined (NaN) if both are empty, infinite if only
 * the reference is. A case without a reference gets the first column only.
 *
 * @throws DataError, on the stream, if `pred` is missing, or they are no label maps or on different grids.
 */
export const volume = operator({
  name: 'volume',
  summary: 'Volume of each label in mL: predicted, of the reference, and how they differ.',
  options: { ...evaluationTypes },
  example: {},
  forecast: foreseeEvaluation,
  create: (options, context) =>
    evaluate(
      context,
      options,
      ({ prediction, reference, labels }) => {
        const ml = voxelVolume(prediction.affine) / 1000;
        const predicted = labels.map(({ overlap }) => (overlap?.predicted ?? 0) * ml);
        if (!reference) return [{ metric: 'volume_ml', values: predicted }];
        const truth = labels.map(({ overlap }) => (overlap?.reference ?? 0) * ml);
        const differences = predicted.map((value, i) => value - truth[i]);
        return [
          { metric: 'volume_ml', values: predicted },
          { metric: 'volume_ml_ref', values: truth },
          { metric: 'volume_difference_ml', values: differences },
          { metric: 'volume_relative', values: differences.map((value, i) => value / truth[i]) },
        ];
      },
      { needsReference: false },
    ),
});
