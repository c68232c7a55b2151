import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import { type Case, withVolumes } from '../case.js';
import { task } from '../runtime/task.js';
import { resampleTo } from '../volume/resample.js';
import type { InterpolationMode, ResamplePadding, Volume } from '../volume/volume.js';
import { defineOperator, parseOptions, type StepContext, standalone } from './define.js';
import { foreseeVolumes, resampledForecast } from './forecast.js';
import { chooseKeys, type Keys, keysType, mapCase, volumeOf } from './map.js';
import { byKey, forKey } from './types.js';

const resampleToTask = task(new URL('../volume/resample.js', import.meta.url), resampleTo);

export interface ResampleToMatchOptions {
  /** The volume whose grid the others take. Default: `label`. */
  readonly keyDst?: string;
  /** `bilinear` (trilinear, as float32) or `nearest`, or a map by key. Default: nearest for labels, else bilinear. */
  readonly mode?: InterpolationMode | Readonly<Record<string, InterpolationMode>>;
  /** What lies outside: the `border` voxel repeated (the default), or `zeros`. */
  readonly paddingMode?: ResamplePadding;
  /** Volumes to work on. Default: `pred`. */
  readonly keys?: Keys;
}

const interpolation = z.enum(['bilinear', 'nearest']);

const definition = defineOperator<ResampleToMatchOptions>({
  name: 'resampleToMatch',
  summary: 'Resamples volumes to the grid of another one.',
  mirrors: 'ResampleToMatchd',
  lane: 'cpu',
  options: {
    keyDst: z.string().min(1).default('label').describe('The volume whose grid the others take'),
    mode: byKey(interpolation)
      .optional()
      .describe('bilinear or nearest, or a map by key. Default: nearest for labels, bilinear for the rest'),
    paddingMode: z.enum(['border', 'zeros']).default('border').describe('What lies outside the volume'),
    keys: keysType('pred'),
  },
  example: { keyDst: 'label', paddingMode: 'zeros' },
  forecast: ({ keyDst = 'label', mode, paddingMode: padding = 'border', keys }) =>
    foreseeVolumes(keys, ['pred'], (volume, key, { volumes }) => {
      const chosen = forKey(mode, key) ?? (volume.kind === 'label' ? 'nearest' : 'bilinear');
      const grid = volumes[keyDst];
      return grid ? resampledForecast(volume, grid, { mode: chosen, padding }) : volume;
    }),
  create: ({ keyDst = 'label', mode, paddingMode = 'border', keys }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const { size, affine } = volumeOf(subject, keyDst);
      const made: Record<string, Volume> = {};
      for (const key of chooseKeys(subject, keys, ['pred'])) {
        const volume = volumeOf(subject, key);
        const chosen = forKey(mode, key) ?? (volume.kind === 'label' ? 'nearest' : 'bilinear');
        made[key] = await context.runtime.run(resampleToTask, volume, { size, affine }, chosen, paddingMode);
      }
      return withVolumes(subject, made);
    }),
});

/**
 * Resamples volumes to the grid of `keyDst`, its size and affine, each voxel at its place in mm: trilinear for images (as
 * float32), nearest for labels. A volume that lies on that grid already, within 0.001 mm, is left as it is.
 *
 * Mirrors MONAI's `ResampleToMatchd`.
 *
 * @throws DataError, on the stream, if a volume is missing.
 */
export function resampleToMatch(
  options: ResampleToMatchOptions = {},
  context: StepContext = standalone(definition.name),
): OperatorFunction<Case, Case> {
  return definition.create(parseOptions(definition, options), context);
}

export { definition as resampleToMatchDefinition };
