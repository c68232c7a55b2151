import type { OperatorFunction } from 'rxjs';
import type { Case } from '../case.js';
import { OptionError } from '../errors.js';
import { type OptionTypes, type OptionValues, sayFault } from '../options.js';
import type { Runtime } from '../runtime/runtime.js';
import type { AnyOperator, Operator, Step, StepContext } from './define.js';
import type { Forecaster } from './forecast.js';

/** A step of a pipeline: an operator, its options after the check, and what was built from them. */
export interface PlacedStep {
  /** Its name in timings, failures and overrides. */
  readonly id: string;
  readonly definition: AnyOperator;
  readonly options: Readonly<Record<string, unknown>>;
  readonly built: Step;
}

/** Neighbouring steps that are done in one pass. */
export interface FusedSteps {
  /** How many steps, from the first one on. */
  readonly count: number;
  /** `each` has the steps as operators of their own, for cases that one pass cannot do. */
  readonly create: (
    context: StepContext,
    each: readonly OperatorFunction<Case, Case>[],
  ) => OperatorFunction<Case, Case>;
  /** `each` forecasts the steps one after the other. */
  readonly forecast: (runtime: Runtime, each: Forecaster) => Forecaster;
}

/**
 * Finds out whether the first of some steps can be done in one pass with those that follow, with the same result to the
 * last bit. Returns undefined if not.
 *
 * A fusion recognises steps by the identity of their operators (`optionsFor`), so an operator that takes the name of a
 * built-in one is not mistaken for it.
 */
export type Fusion = (steps: readonly PlacedStep[]) => FusedSteps | undefined;

/** The options of a step if it is of this operator, else undefined. */
export function optionsFor<T extends OptionTypes>(
  step: PlacedStep | undefined,
  operator: Operator<T>,
): OptionValues<T> | undefined {
  // The operator is the very one that checked these options.
  return step?.definition === operator ? (step.options as OptionValues<T>) : undefined;
}

/** The step with other options. Throws OptionError if they are faulty. */
export function withOptions(step: PlacedStep, given: Readonly<Record<string, unknown>>): PlacedStep {
  const { options, built, faults } = step.definition.configure(given);
  if (options) return { ...step, options, built };
  throw new OptionError(faults.map((fault) => sayFault(step.id, fault)).join('\n'));
}
