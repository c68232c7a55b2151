import type { OperatorFunction } from 'rxjs';
import { type Case, volumeOf, withVolumes } from '../../case.js';
import { OptionError } from '../../errors.js';
import type { StepContext } from '../../operators/define.js';
import { bytesOf, foreseeVolumes } from '../../operators/forecast.js';
import type { PlacedStep } from '../../operators/fusion.js';
import { fusions, operators } from '../../operators/index.js';
import { mapCase } from '../../operators/map.js';
import { sayFault } from '../../options.js';
import { fuseSteps, type Stage } from '../../pipeline/fuse.js';
import { task } from '../../runtime/task.js';
import { separator } from '../config/tree.js';
import type { Problems } from '../targets/problems.js';
import type { BundleStep, SaveSettings } from '../targets/steps.js';
import { applyVoxelFunction, channelsAfter } from './voxelFunctions.js';

const applyTask = task(new URL('./voxelFunctions.js', import.meta.url), applyVoxelFunction);

type OperatorStep = BundleStep & { readonly kind: 'operator' };

/** Configures the operators of steps. Options that they refuse are added to the problems. */
export function placeSteps(steps: readonly BundleStep[], problems: Problems): Map<BundleStep, PlacedStep> {
  const placed = new Map<BundleStep, PlacedStep>();
  for (const step of steps) {
    if (step.kind !== 'operator') continue;
    const definition = operators.find(({ name }) => name === step.name);
    if (!definition) throw new OptionError(`There is no operator ${step.name}.`);
    const { options, built, faults } = definition.configure(step.options);
    if (options) placed.set(step, { id: nameOf(step), definition, options, built });
    else for (const fault of faults) problems.add(step.id, `becomes ${sayFault(step.name, fault)}`);
  }
  return placed;
}

function nameOf({ name, id }: OperatorStep): string {
  return `${name} (${id.replaceAll(separator, '#')})`;
}

/** How a step writes a volume. */
type Save = (settings: SaveSettings, context: StepContext) => OperatorFunction<Case, Case>;

/** The stages of steps, in order. Neighbouring steps are one stage where they can run in one pass. */
export function stagesOf(
  steps: readonly BundleStep[],
  placed: ReadonlyMap<BundleStep, PlacedStep>,
  save: Save,
): Stage[] {
  const stages: Stage[] = [];
  let run: PlacedStep[] = [];
  for (const step of steps) {
    if (step.kind === 'operator') {
      run.push(placed.get(step) as PlacedStep);
      continue;
    }
    stages.push(...fuseSteps(run, fusions), ownStage(step, save));
    run = [];
  }
  return [...stages, ...fuseSteps(run, fusions)];
}

/** The operators of stages. */
export function buildStages(
  stages: readonly Stage[],
  context: Omit<StepContext, 'id'>,
): OperatorFunction<Case, Case>[] {
  return stages.map(({ id, build }) => build({ ...context, id }));
}

/** The stage of a step that is not an operator. */
function ownStage(step: Exclude<BundleStep, OperatorStep>, save: Save): Stage {
  const stage = { id: step.kind, steps: [step.kind] };
  if (step.kind === 'save') {
    return {
      ...stage,
      build: (context) => save(step.save, context),
      forecast: async () =>
        // The volume is converted to the type on disk, and may be brought back to the grid of its file.
        foreseeVolumes(
          step.save.key,
          [],
          (volume) => ({ ...volume }),
          (volume) => bytesOf({ ...volume, bytesPerVoxel: 4 }),
        ),
    };
  }
  const { key, function: given } = step;
  return {
    ...stage,
    build: (context) =>
      mapCase(context, 'cpu', async (subject) =>
        withVolumes(subject, {
          [key]: await context.runtime.run(applyTask, volumeOf(subject, key), given),
        }),
      ),
    forecast: async () =>
      foreseeVolumes(key, [], (volume) => ({
        ...volume,
        channels: channelsAfter(volume.channels, given),
        bytesPerVoxel: 4,
      })),
  };
}
