import type { OperatorFunction } from 'rxjs';
import type { Case } from '../case.js';
import { OptionError } from '../errors.js';
import { type OptionTypes, type OptionValues, sayFault } from '../options.js';
import type { Runtime } from '../runtime/runtime.js';
import type { AnyOperator, Operator, Step, StepContext } from './define.js';
import type { Forecaster } from './forecast.js';

/** A step of a pipeline: an operator, its validated options, and what was built from them. */
export interface PlacedStep {
  /** Its name in timings, failures and overrides. */
  readonly id: string;
  readonly definition: AnyOperator;
  readonly options: Readonly<Record<string, unknown>>;
  readonly built: Step;
}

/** Consecutive steps that run as one stage. */
export interface FusedSteps {
  /** How many steps the stage replaces. */
  readonly count: number;
  /** `each` holds the steps as separate operators, for cases that cannot be processed in one stage. */
  readonly create: (
    context: StepContext,
    each: readonly OperatorFunction<Case, Case>[],
  ) => OperatorFunction<Case, Case>;
  /** `each` predicts the steps one after the other. */
  readonly forecast: (runtime: Runtime, each: Forecaster) => Forecaster | Promise<Forecaster>;
}

/**
 * Decides whether the first of these steps and those after it can run together with a bit-identical result.
 * Returns the stages in which they run, usually one, or undefined if the steps have to run separately.
 *
 * A fusion recognises steps by the identity of their operators (`optionsFor`). An operator from a package
 * that has the name of a built-in one is therefore never mistaken for it.
 */
export type Fusion = (steps: readonly PlacedStep[]) => readonly FusedSteps[] | undefined;

/** The options of a step if it uses this operator, otherwise undefined. */
export function optionsFor<T extends OptionTypes>(
  step: PlacedStep | undefined,
  operator: Operator<T>,
): OptionValues<T> | undefined {
  // This very operator validated these options.
  return step?.definition === operator ? (step.options as OptionValues<T>) : undefined;
}

/** The step with other options. Throws OptionError if they are invalid. */
export function withOptions(step: PlacedStep, given: Readonly<Record<string, unknown>>): PlacedStep {
  const { options, built, faults } = step.definition.configure(given);
  if (options) return { ...step, options, built };
  throw new OptionError(faults.map((fault) => sayFault(step.id, fault)).join('\n'));
}
