import { defineMetric, type LabelMetric, voxelVolume } from 'voxstream/author';

/**
 * Measures the volume in mL that a prediction has outside the reference, per label. Columns: `fp_ml_LABEL`,
 * and the mean if there are several labels.
 */
export const falsePositives: LabelMetric = defineMetric({
  name: 'fp_ml',
  title: 'False positives',
  unit: 'mL',
  better: 'lower',
  range: [0, Number.POSITIVE_INFINITY],
  measure: ({ prediction, labels }) => {
    const ml = voxelVolume(prediction.affine) / 1000;
    return labels.map(({ overlap }) => (overlap ? (overlap.predicted - overlap.both) * ml : 0));
  },
});
