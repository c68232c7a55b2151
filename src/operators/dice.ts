import { defineMetric } from './defineMetric.js';

/**
 * Measures the Dice similarity coefficient 2 |P ∩ R| / (|P| + |R|) of each label, 0 to 1 (Dice 1945).
 * Columns: `dice_LABEL`, and `dice_mean` if there are several labels. Undefined (NaN) where the reference
 * does not have the label.
 *
 * Mirrors MONAI 1.3.2's `DiceMetric` with its default `ignore_empty`.
 *
 * @throws DataError, on the stream, if volumes are missing, are not label maps, or are on different grids.
 */
export const dice = defineMetric({
  name: 'dice',
  title: 'Dice',
  better: 'higher',
  range: [0, 1],
  implies: { zero: ['inReference', 'noOverlap'], nan: ['notInReference'] },
  summary: 'Dice similarity coefficient of each label: twice the overlap over the sum of both.',
  mirrors: 'DiceMetric (ignore_empty, as by default): undefined where the reference is empty',
  measure: ({ labels }) =>
    labels.map(({ overlap }) =>
      overlap?.reference ? (2 * overlap.both) / (overlap.predicted + overlap.reference) : Number.NaN,
    ),
});
