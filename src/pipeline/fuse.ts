import type { OperatorFunction } from 'rxjs';
import type { Case } from '../case.js';
import type { StepContext } from '../operators/define.js';
import type { Forecaster } from '../operators/forecast.js';
import type { FusedSteps, Fusion, PlacedStep } from '../operators/fusion.js';
import { onlyDifferences } from '../operators/onlyDifferences.js';
import { regridded } from '../operators/regridded.js';
import type { Runtime } from '../runtime/runtime.js';

/** One step, or consecutive steps that run in one pass. */
export interface Stage {
  /** The steps' ids, joined with `+`. */
  readonly id: string;
  readonly steps: readonly string[];
  /** `named` wraps each stage inside a wrapping operator. */
  readonly build: (context: StepContext, named?: NameStage) => OperatorFunction<Case, Case>;
  /** Predicts the sizes of the volumes that the stage creates. */
  readonly forecast: (runtime: Runtime) => Promise<Forecaster>;
}

/** Wraps the operator of a stage, e.g. to report its progress. */
export type NameStage = (id: string, operator: OperatorFunction<Case, Case>) => OperatorFunction<Case, Case>;

/**
 * Groups steps into stages: consecutive steps become one where a fusion gives the same result in one pass,
 * and a wrapping step forms one stage with all steps before it.
 */
export function fuseSteps(steps: readonly PlacedStep[], fusions: readonly Fusion[]): Stage[] {
  const wrapping = steps.findLastIndex(({ definition }) => definition.wraps);
  const stages: Stage[] = wrapping < 0 ? [] : [wrapSteps(steps.slice(0, wrapping), steps[wrapping], fusions)];
  let at = wrapping + 1;
  while (at < steps.length) {
    const fused = firstOf(fusions, steps.slice(at));
    if (!fused) stages.push(singleStage(steps.slice(at++)));
    for (const stage of fused ?? []) {
      stages.push(fusedStage(steps.slice(at), stage));
      at += stage.count;
    }
  }
  return stages;
}

/** The result of the first fusion that matches the steps. */
function firstOf(fusions: readonly Fusion[], steps: readonly PlacedStep[]): ReturnType<Fusion> {
  for (const fusion of fusions) {
    const fused = fusion(steps);
    if (fused) return fused;
  }
  return undefined;
}

function singleStage([step, ...later]: readonly PlacedStep[]): Stage {
  return {
    id: step.id,
    steps: [step.id],
    build: (context) => createStep(step, later, context),
    forecast: (runtime) => forecastEach([step], runtime),
  };
}

function createStep(
  step: PlacedStep,
  later: readonly PlacedStep[],
  context: StepContext,
): OperatorFunction<Case, Case> {
  return step.built.create({
    ...context,
    id: step.id,
    onlyDifferences: onlyDifferences(step, later[0]),
    regridded: regridded(later),
  });
}

/** The stage of the first `fused.count` steps. */
function fusedStage(all: readonly PlacedStep[], fused: FusedSteps): Stage {
  const steps = all.slice(0, fused.count);
  const ids = steps.map(({ id }) => id);
  return {
    id: ids.join('+'),
    steps: ids,
    build: (context) =>
      fused.create(
        context,
        steps.map((step, at) => createStep(step, all.slice(at + 1), context)),
      ),
    forecast: async (runtime) => fused.forecast(runtime, await forecastEach(steps, runtime)),
  };
}

function wrapSteps(
  wrapped: readonly PlacedStep[],
  { id, built }: PlacedStep,
  fusions: readonly Fusion[],
): Stage {
  const stages = fuseSteps(wrapped, fusions);
  const description = wrapped.map((step) => [step.id, step.definition.name, step.options]);
  const models = wrapped.some((step) => step.built.prepare !== undefined);
  return {
    id,
    steps: [...wrapped.map((step) => step.id), id],
    build: (context, named = (_, operator) => operator) => {
      const operator = chain(
        stages.map((stage) => named(stage.id, stage.build({ ...context, id: stage.id }, named))),
      );
      return built.create({ ...context, id, wrapped: { operator, description, models } });
    },
    forecast: async (runtime) => inTurn(await Promise.all(stages.map((stage) => stage.forecast(runtime)))),
  };
}

/** Chains operators one after the other. */
export function chain(operators: readonly OperatorFunction<Case, Case>[]): OperatorFunction<Case, Case> {
  return (source) => operators.reduce((stream, operator) => stream.pipe(operator), source);
}

/** Predicts steps that run one after the other. */
async function forecastEach(steps: readonly PlacedStep[], runtime: Runtime): Promise<Forecaster> {
  const forecasters = await Promise.all(steps.map(({ built }) => built.forecast?.(runtime)));
  return inTurn(forecasters.filter((forecast) => forecast !== undefined));
}

function inTurn(forecasters: readonly Forecaster[]): Forecaster {
  return (subject) => forecasters.reduce((before, forecast) => forecast(before), subject);
}
