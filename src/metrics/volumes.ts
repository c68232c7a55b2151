import type { MetricDescription } from './metric.js';

/** The volume of a label in the prediction. */
export const predictedVolume = {
  name: 'volume_ml',
  title: 'Volume',
  unit: 'mL',
  range: [0, Number.POSITIVE_INFINITY],
  mean: false,
  implies: { zero: ['notPredicted'], positive: ['predicted'] },
} as const satisfies MetricDescription;

/** The volume of a label in the reference. */
export const referenceVolume = {
  name: 'volume_ml_ref',
  title: 'Reference',
  unit: 'mL',
  range: [0, Number.POSITIVE_INFINITY],
  mean: false,
  implies: { zero: ['notInReference'], positive: ['inReference'] },
} as const satisfies MetricDescription;
