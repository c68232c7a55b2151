import type { OperatorFunction } from 'rxjs';
import type { z } from 'zod';
import type { Case } from '../case.js';
import { OptionError } from '../errors.js';
import { type Configurable, checkOptions } from '../options.js';
import { defaultRuntime, type LaneName, type Runtime } from '../runtime/runtime.js';
import type { Forecaster } from './forecast.js';

/** What an operator gets besides its options; `standalone` makes one for use without the engine. */
export interface StepContext {
  /** The step's name in `timings` and messages. */
  readonly id: string;
  readonly runtime: Runtime;
  /** What follows looks only at the differences between channels of the result, as softmax and argmax do. Default: false. */
  readonly onlyDifferences?: boolean;
  /** The seed of random steps that have none of their own. Default: 0. */
  readonly seed?: number;
  /** The steps before this one, for one that wraps them (see `wraps`). */
  readonly former?: FormerSteps;
}

/** Steps that another one wraps. */
export interface FormerSteps {
  readonly operator: OperatorFunction<Case, Case>;
  /** What they are, as plain data: equal only if they do the same. */
  readonly description: unknown;
}

/** One zod type per option of `Options`: leave one out and it does not compile. */
export type OptionTypes<Options> = { readonly [K in keyof Required<Options>]: z.ZodType };

/**
 * What the registry knows of an operator. Command-line help, the pipeline file's JSON Schema, validation and the
 * reference pages all derive from it. Operators from other packages register the same way.
 */
export interface OperatorDefinition<Options> {
  /** Its name in a pipeline file. */
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** The MONAI transform it mirrors, if any, with every known difference. */
  readonly mirrors?: string;
  /** Where its work runs. */
  readonly lane: LaneName;
  /** Each option's type, default (`.default()`, `.optional()`) and description (`.describe()`, with unit and range). */
  readonly options: OptionTypes<Options>;
  /** Rules over several options: sentences that say what is wrong, none when all is well. */
  readonly check?: (options: Options) => string[];
  /** Example options, as in a pipeline file. */
  readonly example: Partial<Options>;
  /** It makes several cases of one, `ID#0`, `ID#1` and so on; only `train` takes such steps. */
  readonly splits?: boolean;
  /** It takes the place of all steps before it, which it gets as `former` of its context and calls as it likes. */
  readonly wraps?: boolean;
  /** Builds the operator. The options were validated, and defaults filled in. */
  readonly create: (options: Options, context: StepContext) => OperatorFunction<Case, Case>;
  /**
   * Loads what all cases share (a model) before the first case is read, so that a run that cannot work never starts.
   * Returns what frees it again.
   */
  readonly prepare?: (options: Options, context: StepContext) => Promise<() => Promise<void>>;
  /**
   * What the step makes of volumes, as far as their sizes go: what the memory of a case is estimated from. Default: it makes
   * no volumes.
   */
  readonly forecast?: (options: Options, runtime: Runtime) => Forecaster | Promise<Forecaster>;
}

/** An operator definition whatever its options are, as a registry holds it; they are checked before `create`. */
export interface AnyOperatorDefinition
  extends Pick<OperatorDefinition<object>, 'name' | 'summary' | 'mirrors' | 'lane' | 'splits' | 'wraps'> {
  readonly options: Readonly<Record<string, z.ZodType>>;
  readonly check?: (options: never) => string[];
  readonly example: object;
  readonly create: (options: never, context: StepContext) => OperatorFunction<Case, Case>;
  readonly prepare?: (options: never, context: StepContext) => Promise<() => Promise<void>>;
  readonly forecast?: (options: never, runtime: Runtime) => Forecaster | Promise<Forecaster>;
}

/** Definition of an operator, its options typed against `Options`. */
export function defineOperator<Options>(
  definition: OperatorDefinition<Options>,
): OperatorDefinition<Options> {
  return definition;
}

/** Options of an operator that is built in code: checked at once, with defaults filled in. Throws OptionError. */
export function parseOptions<Options>(
  definition: Pick<OperatorDefinition<Options>, 'name' | 'options' | 'check'>,
  given: Partial<Options> | undefined,
): Options {
  const { options, faults } = checkOptions(definition as Configurable, given);
  if (!options) {
    throw new OptionError(
      faults
        .map(
          ({ path, message }) => `${definition.name}: ${path.length ? `${path.join('.')} ` : ''}${message}.`,
        )
        .join('\n'),
    );
  }
  return options as Options;
}

/** The context of an operator used without the engine: its own name as the id, the shared runtime. */
export function standalone(name: string): StepContext {
  return { id: name, runtime: defaultRuntime() };
}
