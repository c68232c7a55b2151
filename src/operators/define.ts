import type { OperatorFunction } from 'rxjs';
import type { Case } from '../case.js';
import {
  callable,
  configurator,
  type Definition,
  type Described,
  type GivenOptions,
  type OptionsThen,
  type OptionTypes,
  type OptionValues,
  parseOptions,
} from '../options.js';
import { defaultRuntime, type Runtime } from '../runtime/runtime.js';
import type { Forecaster } from './forecast.js';

/** What an operator gets besides its options. The engine makes one for each step; `standalone` makes one without it. */
export interface StepContext {
  /** The step's name in `timings` and messages. */
  readonly id: string;
  readonly runtime: Runtime;
  /**
   * The next step looks only at the differences between the channels of the result, as softmax and argmax do.
   * Default: false.
   */
  readonly onlyDifferences?: boolean;
  /** The seed of random steps that are given none. Default: 0. */
  readonly seed?: number;
  /** The steps before this one, for an operator that wraps them. */
  readonly former?: FormerSteps;
}

/** Steps that a wrapping operator takes in. */
export interface FormerSteps {
  readonly operator: OperatorFunction<Case, Case>;
  /** What they do, as plain data. Two descriptions are equal only if the steps do the same. */
  readonly description: unknown;
  /** Whether they use models, whose versions then count as well. Default: true. */
  readonly models?: boolean;
}

/** An operator with options that were checked. */
export interface Step {
  /** Builds the operator. */
  readonly create: (context: StepContext) => OperatorFunction<Case, Case>;
  /** Loads what all cases share; see `OperatorSpec`. */
  readonly prepare?: (context: StepContext) => Promise<() => Promise<void>>;
  /** Forecasts the sizes of what it makes; see `OperatorSpec`. */
  readonly forecast?: (runtime: Runtime) => Forecaster | Promise<Forecaster>;
}

/** What is written once of an operator. Its types, help, JSON Schema and reference page all derive from it. */
export interface OperatorSpec<T extends OptionTypes> extends Described<T> {
  /** It makes several cases of one, `ID#0`, `ID#1` and so on; only `train` takes such steps. Default: false. */
  readonly splits?: boolean;
  /** It takes the place of all steps before it, and runs them (`former` of its context) as it likes. Default: false. */
  readonly wraps?: boolean;
  /** Builds the operator. */
  readonly create: (options: OptionValues<T>, context: StepContext) => OperatorFunction<Case, Case>;
  /**
   * Loads what all cases share (a model) before the first case is read, so that a run that cannot work never starts.
   * Returns a function that releases it.
   */
  readonly prepare?: (options: OptionValues<T>, context: StepContext) => Promise<() => Promise<void>>;
  /**
   * What the step makes of volumes, as far as their sizes go. The memory estimate of a case comes from it. Default: the
   * step makes no volumes.
   */
  readonly forecast?: (options: OptionValues<T>, runtime: Runtime) => Forecaster | Promise<Forecaster>;
}

/** An operator as a registry holds it, whatever its options are. */
export interface AnyOperator extends Definition<Step> {
  readonly splits?: boolean;
  readonly wraps?: boolean;
}

/**
 * An operator: call it with options for use in a `pipe(…)`, or put it into a registry for use in pipeline files.
 *
 * @throws OptionError when called, if options are faulty.
 */
export interface Operator<T extends OptionTypes, Given = GivenOptions<T>> extends AnyOperator {
  (...args: OptionsThen<T, Given, [context?: StepContext]>): OperatorFunction<Case, Case>;
  readonly options: T;
  /** Never set: it carries the type of the options; see `OptionsOf`. */
  readonly given?: Given;
}

/** Defines an operator. */
export function operator<const T extends OptionTypes>(spec: OperatorSpec<T>): Operator<T> {
  const { create, prepare, forecast, ...described } = spec;
  const configure = configurator(
    spec,
    (options): Step => ({
      create: (context) => create(options, context),
      ...(prepare && { prepare: (context) => prepare(options, context) }),
      ...(forecast && { forecast: (runtime) => forecast(options, runtime) }),
    }),
  );
  const call = (options?: GivenOptions<T>, context: StepContext = standalone(spec.name)) =>
    create(parseOptions(spec, options), context);
  return callable(call, { ...described, configure });
}

/** The context of an operator that is used without the engine: its own name as the id, and the shared runtime. */
export function standalone(name: string): StepContext {
  return { id: name, runtime: defaultRuntime() };
}
