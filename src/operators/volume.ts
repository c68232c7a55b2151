import { predictedVolume, referenceVolume } from '../metrics/volumes.js';
import { voxelVolume } from '../volume/affine.js';
import { defineMetrics } from './defineMetric.js';
import { evaluationTypes, type PredictionEvaluation } from './evaluation.js';

/** The volumes of each label in mL. */
function volumesOf({ affine, labels }: Pick<PredictionEvaluation, 'affine' | 'labels'>) {
  const ml = voxelVolume(affine) / 1000;
  return labels.map(({ overlap }) => ({
    predicted: (overlap?.predicted ?? 0) * ml,
    reference: (overlap?.reference ?? 0) * ml,
  }));
}

/**
 * Measures the volume of each label in mL: its voxels times their size. Columns: `volume_ml_LABEL` of the
 * prediction, `volume_ml_ref_LABEL` of the reference, `volume_difference_ml_LABEL` (prediction minus
 * reference) and `volume_relative_LABEL`, the difference divided by the reference's volume: undefined (NaN)
 * if both are empty, infinite if only the reference is. A case without a reference gets the first column
 * only.
 *
 * @throws DataError, on the stream, if `pred` is missing, or if volumes are not label maps or are on
 * different grids.
 */
export const volume = defineMetrics({
  name: 'volume',
  summary: 'Volume of each label in mL: predicted, of the reference, and how they differ.',
  options: { ...evaluationTypes },
  example: {},
  metrics: () => [
    {
      ...predictedVolume,
      ofPrediction: true,
      measure: (evaluation) => volumesOf(evaluation).map(({ predicted }) => predicted),
    },
    {
      ...referenceVolume,
      measure: (evaluation) => volumesOf(evaluation).map(({ reference }) => reference),
    },
    {
      name: 'volume_difference_ml',
      title: 'Difference',
      unit: 'mL',
      mean: false,
      measure: (evaluation) => volumesOf(evaluation).map(({ predicted, reference }) => predicted - reference),
    },
    {
      name: 'volume_relative',
      title: 'Relative difference',
      range: [-1, Number.POSITIVE_INFINITY],
      mean: false,
      measure: (evaluation) =>
        volumesOf(evaluation).map(({ predicted, reference }) => (predicted - reference) / reference),
    },
  ],
});
