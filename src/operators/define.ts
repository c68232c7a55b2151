import type { OperatorFunction } from 'rxjs';
import type { Case } from '../case.js';
import type { ModelCard } from '../models/card.js';
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
import type { ModelNeeds } from '../runtime/deviceSessions.js';
import { defaultRuntime, type Runtime } from '../runtime/runtime.js';
import type { Forecaster } from './forecast.js';

/**
 * What an operator receives besides its options. The engine creates one per step; `standalone` creates one
 * for use without the engine.
 */
export interface StepContext {
  /** The step's name in `timings` and messages. */
  readonly id: string;
  readonly runtime: Runtime;
  /**
   * The next step uses only the differences between the channels of the result, as softmax and argmax do.
   * Default: false.
   */
  readonly onlyDifferences?: boolean;
  /** Called with the windows of a case that are done while a model slides over its volume. */
  readonly onWindows?: (caseId: string, done: number, all: number) => void;
  /** Volumes that are not what a model expects fail their case. Default: a warning. */
  readonly strict?: boolean;
  /** Later steps bring volumes of different grids together. Default: false. */
  readonly regridded?: boolean;
  /** The seed for random steps without a `seed` option. Default: 0. */
  readonly seed?: number;
  /** The steps before this one, for an operator that wraps them. */
  readonly wrapped?: WrappedSteps;
}

/** The steps that a wrapping operator replaces. */
export interface WrappedSteps {
  readonly operator: OperatorFunction<Case, Case>;
  /** A description of the steps as plain data. Two descriptions are equal only if the steps do the same. */
  readonly description: unknown;
  /** Whether they use models, whose versions then count as well. Default: true. */
  readonly models?: boolean;
}

/** What a model expects of a volume. */
export interface ModelInput {
  /** The key of the volume. */
  readonly key: string;
  /** The model's name. */
  readonly model: string;
  readonly input: ModelCard['input'];
  /** The memory of its sessions on a CPU, if a run has made its form for it before. */
  readonly needs: () => Promise<ModelNeeds | undefined>;
}

/** An operator with validated options. */
export interface Step {
  /** Builds the operator. */
  readonly create: (context: StepContext) => OperatorFunction<Case, Case>;
  /** Loads what all cases share; see `OperatorSpec`. */
  readonly prepare?: (context: StepContext) => Promise<() => Promise<void>>;
  /** Predicts the sizes of the volumes it creates; see `OperatorSpec`. */
  readonly forecast?: (runtime: Runtime) => Forecaster | Promise<Forecaster>;
  /** What models expect of a volume; see `OperatorSpec`. */
  readonly expects?: (runtime: Runtime) => Promise<readonly ModelInput[]>;
  /** The steps that it stands for; see `OperatorSpec`. */
  readonly expand?: (modelFolders: readonly string[]) => Promise<readonly ExpandedStep[]>;
}

/** A step that another step stands for. */
export interface ExpandedStep {
  /** Its name in timings and failures. Default: that of the operator. */
  readonly id?: string;
  readonly definition: AnyOperator;
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * The single definition of an operator. Its types, help, JSON Schema and reference page all derive from it.
 */
export interface OperatorSpec<T extends OptionTypes> extends Described<T> {
  /**
   * The operator splits a case into several, named `ID#0`, `ID#1` and so on. Only `train` accepts such steps.
   * Default: false.
   */
  readonly splits?: boolean;
  /**
   * The operator replaces all steps before it and runs them itself (`wrapped` in its context). Default:
   * false.
   */
  readonly wraps?: boolean;
  /** Builds the operator. */
  readonly create: (options: OptionValues<T>, context: StepContext) => OperatorFunction<Case, Case>;
  /**
   * Loads what all cases share (a model) before the first case is read, so that a run that cannot work never
   * starts. Returns a function that releases it.
   */
  readonly prepare?: (options: OptionValues<T>, context: StepContext) => Promise<() => Promise<void>>;
  /**
   * Predicts the sizes of the volumes that the step creates, for the memory estimate of a case. Default: the
   * step creates no volumes.
   */
  readonly forecast?: (options: OptionValues<T>, runtime: Runtime) => Forecaster | Promise<Forecaster>;
  /**
   * What the step's models expect of the volumes that they get, by their cards. A run compares it with what
   * the steps before deliver. Default: nothing.
   */
  readonly expects?: (options: OptionValues<T>, runtime: Runtime) => Promise<readonly ModelInput[]>;
  /**
   * Returns the steps that the operator stands for. `loadPipeline` puts them in its place, so that they are
   * shown, fused and forecast as if the file had them.
   *
   * @param modelFolders Folders to look for models in, before the package's own.
   */
  readonly expand?: (
    options: OptionValues<T>,
    modelFolders: readonly string[],
  ) => Promise<readonly ExpandedStep[]>;
}

/** An operator of any option type, as a registry stores it. */
export interface AnyOperator extends Definition<Step> {
  readonly splits?: boolean;
  readonly wraps?: boolean;
}

/**
 * An operator. Call it with options to use it in a `pipe(…)`, or register it to use it in pipeline files.
 *
 * @throws OptionError when called with invalid options.
 */
export interface Operator<T extends OptionTypes, Given = GivenOptions<T>> extends AnyOperator {
  (...args: OptionsThen<T, Given, [context?: StepContext]>): OperatorFunction<Case, Case>;
  readonly options: T;
  /** Never set. It carries the type of the options; see `OptionsOf`. */
  readonly given?: Given;
}

/** Defines an operator. */
export function operator<const T extends OptionTypes>(spec: OperatorSpec<T>): Operator<T> {
  const { create, prepare, forecast, expects, expand, ...described } = spec;
  const configure = configurator(
    spec,
    (options): Step => ({
      create: (context) => create(options, context),
      ...(prepare && { prepare: (context) => prepare(options, context) }),
      ...(forecast && { forecast: (runtime) => forecast(options, runtime) }),
      ...(expects && { expects: (runtime) => expects(options, runtime) }),
      ...(expand && { expand: (modelFolders) => expand(options, modelFolders) }),
    }),
  );
  const call = (options?: GivenOptions<T>, context: StepContext = standalone(spec.name)) =>
    create(parseOptions(spec, options), context);
  return callable(call, { ...described, configure });
}

/** The context of an operator that is used without the engine: its name as the id, and the shared runtime. */
export function standalone(name: string): StepContext {
  return { id: name, runtime: defaultRuntime() };
}
