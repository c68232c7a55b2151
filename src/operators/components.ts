import { connectivity as connectivityType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { countComponents } from '../volume/islands.js';
import type { Volume } from '../volume/volume.js';
import { defineMetrics } from './defineMetric.js';
import { evaluationTypes, type PredictionEvaluation } from './evaluation.js';

const countComponentsTask = task(new URL('../volume/islands.js', import.meta.url), countComponents);

/**
 * Counts the connected components of each label. Columns: `components_LABEL` of the prediction and
 * `components_ref_LABEL` of the reference. A case without a reference gets the first column only.
 *
 * @throws DataError, on the stream, if `pred` is missing, or if volumes are not label maps or are on
 * different grids.
 */
export const components = defineMetrics({
  name: 'components',
  summary: 'Number of connected components of each label.',
  options: {
    connectivity: connectivityType
      .default(3)
      .describe('Neighbours share a face (1), an edge (2) or a corner (3)'),
    ...evaluationTypes,
  },
  example: { connectivity: 3 },
  metrics({ connectivity }) {
    const count = (volume: Volume, { labels, runtime }: PredictionEvaluation) => {
      const boxes = labels.map(({ number, overlap }) => ({ label: number, box: overlap?.box }));
      return runtime.run(countComponentsTask, volume, boxes, connectivity);
    };
    return [
      {
        name: 'components',
        title: 'Components',
        range: [0, Number.POSITIVE_INFINITY],
        mean: false,
        ofPrediction: true,
        measure: (evaluation) => count(evaluation.prediction, evaluation),
      },
      {
        name: 'components_ref',
        title: 'Reference components',
        range: [0, Number.POSITIVE_INFINITY],
        mean: false,
        measure: (evaluation) => count(evaluation.reference, evaluation),
      },
    ];
  },
});
