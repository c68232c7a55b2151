import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import type { Case } from '../case.js';
import { task } from '../runtime/task.js';
import type { Connectivity } from '../volume/components.js';
import { keepLargestComponent as kernel } from '../volume/islands.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { foreseeCleaning } from './forecast.js';
import { type Keys, keysType, mapVolumes } from './map.js';
import { connectivity, labelNumbers } from './types.js';

const keepLargestComponentTask = task(new URL('../volume/islands.js', import.meta.url), kernel);

export interface KeepLargestComponentOptions {
  /** Labels to clean: numbers, or channels of a volume that has several. Default: all but 0. */
  readonly appliedLabels?: number | readonly number[];
  /** Clean each label by itself; otherwise their union. Default: true. */
  readonly independent?: boolean;
  /** Neighbours share a face (1), a face or an edge (2), or a face, an edge or a corner (3, the default). */
  readonly connectivity?: Connectivity;
  /** How many components to keep. Default: 1. */
  readonly numComponents?: number;
  /** Volumes to work on. Default: `pred`. */
  readonly keys?: Keys;
}

const definition = defineOperator<KeepLargestComponentOptions>({
  name: 'keepLargestComponent',
  summary: 'Keeps the largest connected component of each label and sets the rest to 0.',
  mirrors: 'KeepLargestConnectedComponentd; is_onehot follows from the number of channels',
  lane: 'cpu',
  options: {
    appliedLabels: labelNumbers.optional().describe('Labels to clean, by number. Default: all but 0'),
    independent: z.boolean().default(true).describe('Clean each label by itself, not their union'),
    connectivity: connectivity
      .default(3)
      .describe('Neighbours share a face (1), an edge (2) or a corner (3)'),
    numComponents: z.int().min(1).default(1).describe('How many components to keep'),
    keys: keysType('pred'),
  },
  example: { appliedLabels: [1] },
  forecast: ({ keys }) => foreseeCleaning(keys, ['pred']),
  create: ({ keys, appliedLabels, independent, connectivity, numComponents }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) =>
      context.runtime.run(keepLargestComponentTask, volume, {
        appliedLabels: appliedLabels as readonly number[] | undefined,
        independent: independent ?? true,
        connectivity: connectivity ?? 3,
        numComponents: numComponents ?? 1,
      }),
    ),
});

/**
 * Keeps the largest connected component of each label, or the `numComponents` largest, and sets the label's other
 * voxels to 0. Sizes are counted in voxels. Of components of equal size the one that begins last is kept.
 *
 * Mirrors MONAI 1.3.2's `KeepLargestConnectedComponentd`: a volume of one channel is a label map, one of several holds
 * a mask per channel (`is_onehot`), where channel 0 is left alone unless `appliedLabels` names it.
 */
export function keepLargestComponent(
  options: KeepLargestComponentOptions = {},
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as keepLargestComponentDefinition };
