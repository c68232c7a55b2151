import { type OperatorFunction, pipe } from 'rxjs';
import type { Case } from '../case.js';
import type { AnyOperatorDefinition, StepContext } from '../operators/define.js';
import type { Forecaster } from '../operators/forecast.js';
import { foreseeLabels, labelsOf } from '../operators/labelsOf.js';
import { foreseePrepared, type PrepareOptions, prepare } from '../operators/prepare.js';
import type { Runtime } from '../runtime/runtime.js';
import type { ResolvedStep } from './types.js';

type Step = ResolvedStep<AnyOperatorDefinition>;

/** One step, or neighbouring steps that are done in one pass. */
export interface Stage {
  /** The steps' ids, joined with `+`. */
  readonly id: string;
  readonly steps: readonly string[];
  /** `named` is put around each stage that a wrapping one takes in. */
  readonly build: (context: StepContext, named?: NameStage) => OperatorFunction<Case, Case>;
  /** What it makes of a case's volumes, as far as their sizes go. */
  readonly forecast: (runtime: Runtime) => Promise<Forecaster>;
}

/** An operator that tells what happens in a stage. */
export type NameStage = (id: string, operator: OperatorFunction<Case, Case>) => OperatorFunction<Case, Case>;

/**
 * Joins neighbouring steps where one pass gives the same result: `orient`, `spacing` and `scaleIntensityRange` (any two of them or
 * all, in this order); and `activations` with softmax, `invert` and `asDiscrete` with argmax of the same volume. A step that
 * wraps those before it becomes one stage with them.
 */
export function fuseSteps(steps: readonly Step[]): Stage[] {
  const wrapping = steps.findLastIndex(({ definition }) => definition.wraps);
  const stages: Stage[] = wrapping < 0 ? [] : [wrapSteps(steps.slice(0, wrapping), steps[wrapping])];
  let at = wrapping + 1;
  while (at < steps.length) {
    const count = preparationAt(steps, at) || labellingAt(steps, at) || 1;
    stages.push(makeStage(steps.slice(at, at + count), onlyDifferences(steps, at)));
    at += count;
  }
  return stages;
}

function wrapSteps(former: readonly Step[], { id, definition, options }: Step): Stage {
  const stages = fuseSteps(former);
  const description = former.map((step) => [step.id, step.definition.name, step.options]);
  return {
    id,
    steps: [...former.map((step) => step.id), id],
    build: (context, named = (_, operator) => operator) => {
      const operator = chain(
        stages.map((stage) => named(stage.id, stage.build({ ...context, id: stage.id }, named))),
      );
      return definition.create(options as never, { ...context, id, former: { operator, description } });
    },
    forecast: async (runtime) => inTurn(await Promise.all(stages.map((stage) => stage.forecast(runtime)))),
  };
}

/** Operators one after the other. */
export function chain(operators: readonly OperatorFunction<Case, Case>[]): OperatorFunction<Case, Case> {
  return (source) => operators.reduce((stream, operator) => stream.pipe(operator), source);
}

const preparations = ['orient', 'spacing', 'scaleIntensityRange'];

/** How many steps from `at` on are a preparation; 0 for fewer than two. */
function preparationAt(steps: readonly Step[], at: number): number {
  let count = 0;
  let last = -1;
  while (at + count < steps.length) {
    const place = preparations.indexOf(steps[at + count].definition.name);
    if (place <= last) break;
    last = place;
    count++;
  }
  return count > 1 ? count : 0;
}

/** 3 when the steps from `at` on make labels of one volume's logits, else 0. */
function labellingAt(steps: readonly Step[], at: number): number {
  const [activations, invert, asDiscrete] = steps.slice(at, at + 3);
  if (activations?.definition.name !== 'activations' || activations.options['softmax'] !== true) return 0;
  if (invert?.definition.name !== 'invert' || invert.options['nearestInterp'] === true) return 0;
  if (asDiscrete?.definition.name !== 'asDiscrete' || asDiscrete.options['argmax'] !== true) return 0;
  const keys = new Set([activations, invert, asDiscrete].map(keyOf));
  return keys.size === 1 && !keys.has(undefined) ? 3 : 0;
}

/** The one volume that a step of the labelling works on; undefined for several. */
function keyOf({ options }: Step): string | undefined {
  const keys = options['keys'] ?? 'pred';
  if (typeof keys === 'string') return keys;
  return Array.isArray(keys) && keys.length === 1 ? keys[0] : undefined;
}

/**
 * True for an inference that a softmax or argmax of its result follows at once: it may leave out what they do not look at (see
 * `twoClassHead`).
 */
export function onlyDifferences(steps: readonly Step[], at: number): boolean {
  const [step, next] = steps.slice(at, at + 2);
  if (step.definition.name !== 'inference' || !next || keyOf(next) !== step.options['output']) return false;
  const { name } = next.definition;
  return (
    (name === 'activations' && next.options['softmax'] === true) ||
    (name === 'asDiscrete' && next.options['argmax'] === true)
  );
}

function makeStage(steps: readonly Step[], differences: boolean): Stage {
  const ids = steps.map(({ id }) => id);
  const one = ({ id, definition, options }: Step, context: StepContext) =>
    definition.create(options as never, { ...context, id, onlyDifferences: differences });
  const stage = { id: ids.join('+'), steps: ids };
  if (steps.length === 1) {
    const build = (context: StepContext) => one(steps[0], context);
    return { ...stage, build, forecast: (runtime) => forecastEach(steps, runtime) };
  }
  const [first, second] = steps;
  if (first.definition.name === 'activations') {
    const like = second.options['like'] as string;
    return {
      ...stage,
      build: (context) => {
        const [a, b, c] = steps.map((step) => one(step, context));
        return labelsOf(keyOf(first) as string, like, pipe(a, b, c), context);
      },
      forecast: async (runtime) =>
        foreseeLabels(keyOf(first) as string, like, await forecastEach(steps, runtime), runtime),
    };
  }
  const options = Object.fromEntries(
    steps.map((step) => [step.definition.name, step.options]),
  ) as PrepareOptions;
  return {
    ...stage,
    build: (context) => prepare(options, context),
    forecast: async (runtime) => foreseePrepared(options, await forecastEach(steps, runtime)),
  };
}

/** The forecast of steps one after the other. */
async function forecastEach(steps: readonly Step[], runtime: Runtime): Promise<Forecaster> {
  const forecasters = await Promise.all(
    steps.map(({ definition, options }) => definition.forecast?.(options as never, runtime)),
  );
  return inTurn(forecasters.filter((forecast) => forecast !== undefined));
}

function inTurn(forecasters: readonly Forecaster[]): Forecaster {
  return (subject) => forecasters.reduce((before, forecast) => forecast(before), subject);
}
