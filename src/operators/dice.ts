import { operator } from './define.js';
import { evaluate, evaluationTypes, foreseeEvaluation } from './evaluation.js';

/**
 * The Dice similarity coefficient 2 |P ∩ R| / (|P| + |R|) of each label, 0 to 1 (Dice 1945). Columns: `dice_LABEL`, and
 * `dice_mean` over more than one label. Not defined (NaN) where the reference does not have the label.
 *
 * Mirrors MONAI 1.3.2's `DiceMetric` with its default `ignore_empty`.
 *
 * @throws DataError, on the stream, if volumes are missing, no label maps, or on different grids.
 */
export const dice = operator({
  name: 'dice',
  summary: 'Dice similarity coefficient of each label: twice the overlap over the sum of both.',
  mirrors: 'DiceMetric (ignore_empty, as by default): not defined where the reference has nothing',
  options: { ...evaluationTypes },
  example: {},
  forecast: foreseeEvaluation,
  create: (options, context) =>
    evaluate(context, options, ({ labels }) => [
      {
        metric: 'dice',
        values: labels.map(({ overlap }) =>
          overlap?.reference ? (2 * overlap.both) / (overlap.predicted + overlap.reference) : Number.NaN,
        ),
        mean: true,
      },
    ]),
});
