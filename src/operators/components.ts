import type { OperatorFunction } from 'rxjs';
import type { Case } from '../case.js';
import { task } from '../runtime/task.js';
import type { Connectivity } from '../volume/components.js';
import { countComponents } from '../volume/islands.js';
import type { Volume } from '../volume/volume.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { type EvaluationOptions, evaluate, evaluationTypes, foreseeEvaluation } from './evaluation.js';
import { connectivity } from './types.js';

const countComponentsTask = task(new URL('../volume/islands.js', import.meta.url), countComponents);

export interface ComponentsOptions extends EvaluationOptions {
  /** Neighbours share a face (1), a face or an edge (2), or a face, an edge or a corner (3, the default). */
  readonly connectivity?: Connectivity;
}

const definition = defineOperator<ComponentsOptions>({
  name: 'components',
  summary: 'Number of connected components of each label.',
  lane: 'cpu',
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
          const values = await context.runtime.run(
            countComponentsTask,
            volume,
            boxes,
            options.connectivity ?? 3,
          );
          return { metric, values };
        };
        const predicted = await count('components', prediction);
        return reference ? [predicted, await count('components_ref', reference)] : [predicted];
      },
      { needsReference: false },
    ),
});

/**
 * The number of connected components of each label. Columns: `components_LABEL` of the prediction and
 * `components_ref_LABEL` of the reference, which a case without one does not get.
 *
 * @throws DataError, on the stream, if `pred` is missing, or they are no label maps or on different grids.
 */
export function components(
  options: ComponentsOptions = {},
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as componentsDefinition };
