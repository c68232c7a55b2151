import type { OperatorFunction } from 'rxjs';
import type { Case } from '../case.js';
import { task } from '../runtime/task.js';
import type { Connectivity } from '../volume/components.js';
import { fillHoles as kernel } from '../volume/fillHoles.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { foreseeCleaning } from './forecast.js';
import { type Keys, keysType, mapVolumes } from './map.js';
import { connectivity, labelNumbers } from './types.js';

const fillHolesTask = task(new URL('../volume/fillHoles.js', import.meta.url), kernel);

export interface FillHolesOptions {
  /** Labels to fill: numbers, or channels of a volume that has several. Default: all but 0. */
  readonly appliedLabels?: number | readonly number[];
  /**
   * A hole ends where the label closes it against neighbours that share a face (1), a face or an edge (2), or a face, an
   * edge or a corner (3, the default, which leaves the most open).
   */
  readonly connectivity?: Connectivity;
  /** Volumes to work on. Default: `pred`. */
  readonly keys?: Keys;
}

const definition = defineOperator<FillHolesOptions>({
  name: 'fillHoles',
  summary: 'Fills what a label encloses with that label.',
  mirrors: 'FillHolesd',
  lane: 'cpu',
  options: {
    appliedLabels: labelNumbers.optional().describe('Labels to fill, by number. Default: all but 0'),
    connectivity: connectivity
      .default(3)
      .describe('A hole leaks through a face (1), through an edge too (2), or through a corner too (3)'),
    keys: keysType('pred'),
  },
  example: { appliedLabels: [1] },
  forecast: ({ keys }) => foreseeCleaning(keys, ['pred']),
  create: ({ keys, appliedLabels, connectivity }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) =>
      context.runtime.run(
        fillHolesTask,
        volume,
        appliedLabels as readonly number[] | undefined,
        connectivity ?? 3,
      ),
    ),
});

/**
 * Fills the holes of labels in three dimensions: whatever a label encloses, other labels included, becomes that label.
 * What reaches the volume's border is no hole. Labels are filled in ascending order.
 *
 * Mirrors MONAI's `FillHolesd`: a volume of one channel is a label map, one of several holds a mask per channel, where
 * channel 0 is left alone.
 */
export function fillHoles(
  options: FillHolesOptions = {},
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as fillHolesDefinition };
