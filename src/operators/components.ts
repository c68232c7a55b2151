import { connectivity } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { countComponents } from '../volume/islands.js';
import type { Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { evaluate, evaluationTypes, foreseeEvaluation } from './evaluation.js';

const countComponentsTask = task(new URL('../volume/islands.js', import.meta.url), countComponents);

/**
 * The number of connected components of each label. Columns: `components_LABEL` of the prediction and
 * `components_ref_LABEL` of the reference, which a case without one does not get.
 *
 * @throws DataError, on the stream, if `pred` is missing, or they are no label maps or on different grids.
 */
export const components = operator({
  name: 'components',
  summary: 'Number of connected components of each label.',
  options: {
    connectivity: connectivity
      .default(3)
      .describe('Neighbours share a face (1), an edge (2) or a corner (3)'),
    ...evaluationTypes,
  },
  example: { connectivity: 3 },
  forecast: foreseeEvaluation,
  create: (options, context) =>
    evaluate(
      context,
      options,
      async ({ prediction, reference, labels }) => {
        const count = async (metric: string, volume: Volume) => {
          const boxes = labels.map(({ number, overlap }) => ({ label: number, box: overlap?.box }));
          const values = await context.runtime.run(countComponentsTask, volume, boxes, options.connectivity);
          return { metric, values };
        };
        const predicted = await count('components', prediction);
        return reference ? [predicted, await count('components_ref', reference)] : [predicted];
      },
      { needsReference: false },
    ),
});
