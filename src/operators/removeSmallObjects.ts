import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import type { Case } from '../case.js';
import { task } from '../runtime/task.js';
import type { Connectivity } from '../volume/components.js';
import { removeSmallObjects as kernel } from '../volume/islands.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { foreseeCleaning } from './forecast.js';
import { type Keys, keysType, mapVolumes } from './map.js';
import { connectivity } from './types.js';

const removeSmallObjectsTask = task(new URL('../volume/islands.js', import.meta.url), kernel);

export interface RemoveSmallObjectsOptions {
  /** Objects smaller than this are removed: voxels, or mm³ with `byMeasure`. Default: 64. */
  readonly minSize?: number;
  /** Neighbours share a face (1, the default), a face or an edge (2), or a face, an edge or a corner (3). */
  readonly connectivity?: Connectivity;
  /** Treat masks (label 1, or one mask per channel) by themselves; otherwise the union of all labels. Default: true. */
  readonly independentChannels?: boolean;
  /** `minSize` is in mm³, not in voxels. Default: false. */
  readonly byMeasure?: boolean;
  /** Volumes to work on. Default: `pred`. */
  readonly keys?: Keys;
}

const definition = defineOperator<RemoveSmallObjectsOptions>({
  name: 'removeSmallObjects',
  summary: 'Sets connected components of fewer than minSize voxels, or mm³, to 0.',
  mirrors: 'RemoveSmallObjectsd, except that channels never touch each other; pixdim is that of the affine',
  lane: 'cpu',
  options: {
    minSize: z.number().min(0).default(64).describe('Smallest object to keep, in voxels (or mm³)'),
    connectivity: connectivity
      .default(1)
      .describe('Neighbours share a face (1), an edge (2) or a corner (3)'),
    independentChannels: z
      .boolean()
      .default(true)
      .describe('Treat masks by themselves, not the union of all labels'),
    byMeasure: z.boolean().default(false).describe('minSize is in mm³'),
    keys: keysType('pred'),
  },
  example: { minSize: 100 },
  forecast: ({ keys }) => foreseeCleaning(keys, ['pred']),
  create: ({ keys, ...options }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) =>
      context.runtime.run(removeSmallObjectsTask, volume, {
        minSize: options.minSize ?? 64,
        connectivity: options.connectivity ?? 1,
        independentChannels: options.independentChannels ?? true,
        byMeasure: options.byMeasure ?? false,
      }),
    ),
});

/**
 * Removes objects of fewer than `minSize` voxels (mm³ with `byMeasure`): their voxels become 0. An object is a connected
 * component of a mask, that is of a map whose only label is 1 or of each channel of several.
 *
 * A map with labels above 1 is taken as MONAI and scikit-image take it, as objects that are numbered already: a label
 * goes when it has fewer than `minSize` voxels in all. To remove the islands of such a map, set `independentChannels` to
 * false, where an object is a component of the union of all labels, or use `keepLargestComponent`.
 *
 * Mirrors MONAI 1.3.2's `RemoveSmallObjectsd`, with two differences: channels never touch each other (MONAI joins
 * neighbouring channels of masks that overlap), and the voxel size is always the affine's.
 */
export function removeSmallObjects(
  options: RemoveSmallObjectsOptions = {},
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as removeSmallObjectsDefinition };
