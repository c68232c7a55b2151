import type { OperatorFunction } from 'rxjs';
import { z } from 'zod';
import type { Case } from '../case.js';
import { listNames, nearestName, OptionError, show } from '../errors.js';
import { defaultRuntime, type LaneName, type Runtime } from '../runtime/runtime.js';

/** What an operator gets besides its options; `standalone` makes one for use without the engine. */
export interface StepContext {
  /** The step's name in `timings` and messages. */
  readonly id: string;
  readonly runtime: Runtime;
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
  /** Builds the operator. The options were validated, and defaults filled in. */
  readonly create: (options: Options, context: StepContext) => OperatorFunction<Case, Case>;
  /**
   * Loads what all cases share (a model) before the first case is read, so that a run that cannot work never starts.
   * Returns what frees it again.
   */
  readonly prepare?: (options: Options, context: StepContext) => Promise<() => Promise<void>>;
}

/** An operator definition whatever its options are, as a registry holds it; they are checked before `create`. */
export interface AnyOperatorDefinition
  extends Pick<OperatorDefinition<object>, 'name' | 'summary' | 'mirrors' | 'lane'> {
  readonly options: Readonly<Record<string, z.ZodType>>;
  readonly check?: (options: never) => string[];
  readonly example: object;
  readonly create: (options: never, context: StepContext) => OperatorFunction<Case, Case>;
  readonly prepare?: (options: never, context: StepContext) => Promise<() => Promise<void>>;
}

/** Definition of an operator, its options typed against `Options`. */
export function defineOperator<Options>(
  definition: OperatorDefinition<Options>,
): OperatorDefinition<Options> {
  return definition;
}

/** What can be validated: an operator, a sink or a source. */
export interface Configurable {
  readonly name: string;
  readonly options: Readonly<Record<string, z.ZodType>>;
  /** The type of options under any other name; without it they are refused. */
  readonly rest?: z.ZodType;
  readonly check?: (options: never) => string[];
}

/** A fault in options: the path inside them, and a clause that goes on from it ("must be …, but it is …"). */
export interface OptionFault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Validates options and fills in defaults; finds every fault at once. */
export function checkOptions(
  definition: Configurable,
  given: unknown,
): { options?: Record<string, unknown>; faults: OptionFault[] } {
  const schema = definition.rest
    ? z.object(definition.options).catchall(definition.rest)
    : z.strictObject(definition.options);
  const parsed = schema.safeParse(given ?? {}, { reportInput: true });
  if (!parsed.success) {
    return { faults: parsed.error.issues.flatMap((issue) => describeIssue(issue, definition)) };
  }
  const faults = definition.check?.(parsed.data as never) ?? [];
  if (faults.length > 0) return { faults: faults.map((message) => ({ path: [], message })) };
  return { options: parsed.data, faults: [] };
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

type Issue = z.core.$ZodIssue;

function describeIssue(issue: Issue, definition: Configurable): OptionFault[] {
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(definition.options);
    return issue.keys.map((key) => {
      if (issue.path.length > 0) return { path: [...issue.path, key], message: 'is not known' };
      const near = nearestName(key, known);
      return {
        path: [key],
        message: `is not an option of ${definition.name}; ${near ? `did you mean "${near}"?` : `known are ${listNames(known)}`}`,
      };
    });
  }
  const type = issue.path.length > 0 ? definition.options[String(issue.path[0])] : undefined;
  const wish = expectation(issue);
  const about = type?.description ? ` (${type.description.replace(/\.$/, '')})` : '';
  if (issue.input === undefined) return [{ path: issue.path, message: `is required${about}` }];
  return [{ path: issue.path, message: `must be ${wish}, but it is ${show(issue.input)}${about}` }];
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return (
        {
          array: 'a list',
          record: 'a map',
          object: 'a map',
          int: 'a whole number',
          boolean: 'true or false',
        }[issue.expected as string] ?? `a ${issue.expected}`
      );
    case 'too_small': {
      if (issue.origin === 'array') return `a list of at least ${issue.minimum} items`;
      if (issue.origin === 'string') return 'a text that is not empty';
      return `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
    }
    case 'too_big':
      if (issue.origin === 'array') return `a list of at most ${issue.maximum} items`;
      return `${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`;
    case 'invalid_value':
      return listNames(
        issue.values.map((value) => show(value)),
        'or',
      );
    case 'invalid_union': {
      const kinds = issue.errors.map((errors) => (errors[0] ? expectation(errors[0]) : 'something else'));
      return [...new Set(kinds)].join(', or ');
    }
    default:
      return issue.message.replace(/^Invalid input: /, '').replace(/\.$/, '');
  }
}

/** The context of an operator used without the engine: its own name as the id, the shared runtime. */
export function standalone(name: string): StepContext {
  return { id: name, runtime: defaultRuntime() };
}
