import type { OperatorFunction } from 'rxjs';
import { type Case, volumeOf, withVolumes } from '../../case.js';
import { OptionError } from '../../errors.js';
import type { StepContext } from '../../operators/define.js';
import type { PlacedStep } from '../../operators/fusion.js';
import { fusions, operators } from '../../operators/index.js';
import { mapCase } from '../../operators/map.js';
import { sayFault } from '../../options.js';
import { fuseSteps } from '../../pipeline/fuse.js';
import { task } from '../../runtime/task.js';
import { separator } from '../config/tree.js';
import type { Problems } from '../targets/problems.js';
import type { BundleStep, SaveSettings } from '../targets/steps.js';
import { bratsLabels } from './voxelFunctions.js';

const bratsLabelsTask = task(new URL('./voxelFunctions.js', import.meta.url), bratsLabels);

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

/** Builds the operators of steps, one after the other. Neighbouring ones run in one pass where they can. */
export function buildStages(
  steps: readonly BundleStep[],
  placed: ReadonlyMap<BundleStep, PlacedStep>,
  context: StepContext,
  save: (settings: SaveSettings, context: StepContext) => OperatorFunction<Case, Case>,
): OperatorFunction<Case, Case>[] {
  const built: OperatorFunction<Case, Case>[] = [];
  for (let at = 0; at < steps.length; ) {
    const step = steps[at];
    const end = steps.slice(at).findIndex(({ kind }) => kind !== 'operator');
    const run = step.kind === 'operator' ? steps.slice(at, end < 0 ? steps.length : at + end) : [];
    if (step.kind !== 'operator') {
      built.push(buildOne(step, { ...context, id: step.kind }, save));
      at++;
      continue;
    }
    const stages = fuseSteps(
      run.map((one) => placed.get(one) as PlacedStep),
      fusions,
    );
    built.push(...stages.map((stage) => stage.build(context)));
    at += run.length;
  }
  return built;
}

function buildOne(
  step: Exclude<BundleStep, OperatorStep>,
  context: StepContext,
  save: (settings: SaveSettings, context: StepContext) => OperatorFunction<Case, Case>,
): OperatorFunction<Case, Case> {
  switch (step.kind) {
    case 'save':
      return save(step.save, context);
    case 'copy':
      return mapCase(context, 'cpu', async (subject) =>
        withVolumes(subject, { [step.to]: volumeOf(subject, step.from) }),
      );
    case 'voxels':
      return mapCase(context, 'cpu', async (subject) =>
        withVolumes(subject, {
          [step.key]: await context.runtime.run(bratsLabelsTask, volumeOf(subject, step.key)),
        }),
      );
  }
}
