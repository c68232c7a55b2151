import type { OperatorFunction } from 'rxjs';
import { type Case, chooseKeys, geometryKeys, type Keys, volumeOf, withVolumes } from '../case.js';
import type { OptionTypes, ValuesOf } from '../options.js';
import { task } from '../runtime/task.js';
import { parseAxcodes } from '../volume/orientation.js';
import {
  allocatePrepared,
  type Preparation,
  preparedGrid,
  preparedVolume,
  prepareSlices,
} from '../volume/prepare.js';
import type { Volume } from '../volume/volume.js';
import type { Operator, StepContext } from './define.js';
import { type Forecaster, foresee } from './forecast.js';
import { type Fusion, optionsFor } from './fusion.js';
import { mapCase } from './map.js';
import { orient, reorientTask } from './orient.js';
import { inParts } from './parts.js';
import { scaleIntensityRange, scaleIntensityRangeTask } from './scaleIntensityRange.js';
import { respaceSettings, respaceTask, spacing } from './spacing.js';

const prepareSlicesTask = task(new URL('../volume/prepare.js', import.meta.url), prepareSlices);

/** The options of consecutive steps that run as one pass. Any of them may be missing. */
interface PrepareOptions {
  readonly orient?: ValuesOf<typeof orient>;
  readonly spacing?: ValuesOf<typeof spacing>;
  readonly scaleIntensityRange?: ValuesOf<typeof scaleIntensityRange>;
}

/**
 * Runs `orient`, `spacing` and `scaleIntensityRange` (any two or all three, in this order) in one pass over
 * the stored voxels on all worker threads. Volumes that one pass cannot process (labels, several channels,
 * sheared affines) go through the separate steps.
 */
export const prepareFusion: Fusion = (steps) => {
  let count = 0;
  /** Consumes the next step if it uses this operator, and returns its options. */
  const take = <T extends OptionTypes>(operator: Operator<T>) => {
    const options = optionsFor(steps[count], operator);
    if (options) count++;
    return options;
  };
  const options: PrepareOptions = {
    orient: take(orient),
    spacing: take(spacing),
    scaleIntensityRange: take(scaleIntensityRange),
  };
  if (count < 2) return undefined;
  return [
    {
      count,
      create: (context) => prepare(options, context),
      forecast: (_, each) => foreseePrepared(options, each),
    },
  ];
};

function prepare(options: PrepareOptions, context: StepContext): OperatorFunction<Case, Case> {
  const { orient, spacing, scaleIntensityRange } = options;
  const orientation = orient && parseAxcodes(orient.axcodes);
  return mapCase(context, 'cpu', async (subject) => {
    const keysOf = (step: { readonly keys?: Keys } | undefined, defaults: readonly string[]) =>
      step ? chooseKeys(subject, step.keys, defaults) : [];
    const oriented = keysOf(orient, geometryKeys);
    const respaced = keysOf(spacing, geometryKeys);
    const scaled = keysOf(scaleIntensityRange, ['image']);
    const made: Record<string, Volume> = {};
    for (const key of new Set([...oriented, ...respaced, ...scaled])) {
      const volume = volumeOf(subject, key);
      const preparation: Preparation = {
        ...(oriented.includes(key) && { orientation }),
        ...(spacing && respaced.includes(key) && { spacing: respaceSettings(spacing, volume, key) }),
        ...(scaled.includes(key) && { intensity: scaleIntensityRange }),
      };
      made[key] = await prepareVolume(volume, preparation, context);
    }
    return withVolumes(subject, made);
  });
}

/**
 * Predicts one pass: only the final volumes, without intermediate ones, if one pass works for all volumes
 * that the steps change. `each` predicts the separate steps.
 */
function foreseePrepared({ orient, spacing }: PrepareOptions, each: Forecaster): Forecaster {
  const orientation = orient && parseAxcodes(orient.axcodes);
  return (subject) => {
    const { volumes, peak } = each(subject);
    const changed = Object.keys(volumes).filter((key) => volumes[key] !== subject.volumes[key]);
    const onePass = changed.every((key) => {
      const volume = subject.volumes[key];
      const settings = spacing && respaceSettings(spacing, volume, key);
      return volume.channels === 1 && preparedGrid(volume, { orientation, spacing: settings });
    });
    const made = Object.fromEntries(changed.map((key) => [key, volumes[key]]));
    return onePass ? foresee(subject, made) : { ...subject, volumes, peak };
  };
}

async function prepareVolume(
  volume: Volume,
  preparation: Preparation,
  { runtime }: StepContext,
): Promise<Volume> {
  const { orientation, spacing, intensity } = preparation;
  const onePass = volume.channels === 1 && (spacing || intensity) && preparedGrid(volume, preparation);
  if (onePass) {
    const data = allocatePrepared(onePass);
    await inParts(runtime, onePass.size[2], (from, to) =>
      runtime.run(prepareSlicesTask, volume, preparation, from, to, data),
    );
    return preparedVolume(volume, onePass, data);
  }
  let result = volume;
  if (orientation) result = await runtime.run(reorientTask, result, orientation);
  if (spacing) result = await runtime.run(respaceTask, result, spacing);
  if (intensity) result = await runtime.run(scaleIntensityRangeTask, result, intensity);
  return result;
}
