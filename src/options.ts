import { z } from 'zod';
import { ended, listNames, nearestName, OptionError, show } from './errors.js';

// Zod would compile each check, which takes longer than the few checks of a run.
z.config({ jitless: true });

/** The type of each option by name: accepted values, default, and description with unit and range. */
export type OptionTypes = Readonly<Record<string, z.ZodType>>;

/** A value that is read-only at every depth. */
export type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;

/** Validated options: defaults are filled in and short forms are expanded. */
export type OptionValues<T extends OptionTypes> = { readonly [K in keyof T]: Frozen<z.output<T[K]>> };

type OptionalNames<T extends OptionTypes> = {
  [K in keyof T]: undefined extends z.input<T[K]> ? K : never;
}[keyof T];
type RequiredNames<T extends OptionTypes> = Exclude<keyof T, OptionalNames<T>>;

// Both are mapped types over keys of T, as `Pick` is. Only then do editors show the description of each
// option.
type Required<T extends OptionTypes, K extends keyof T> = { readonly [P in K]: Frozen<z.input<T[P]>> };
type Optional<T extends OptionTypes, K extends keyof T> = { readonly [P in K]?: Frozen<z.input<T[P]>> };

/** Options as given by the caller. Options with a default may be omitted. */
export type GivenOptions<T extends OptionTypes> = Shown<
  Required<T, RequiredNames<T>> & Optional<T, OptionalNames<T>>
>;

/** The same type, which editors show as one object. */
type Shown<O> = { [K in keyof O]: O[K] } & {};

/** A parameter list that starts with options. They may be omitted if none of them is required. */
export type OptionsThen<T extends OptionTypes, Given, More extends readonly unknown[] = []> =
  RequiredNames<T> extends never ? [options?: Given, ...more: More] : [options: Given, ...more: More];

/** The type of a definition's options as given by the caller: `OptionsOf<typeof spacing>`. */
export type OptionsOf<D extends { readonly given?: unknown }> = NonNullable<D['given']>;

/** The type of a definition's validated options. */
export type ValuesOf<D extends { readonly options: OptionTypes }> = OptionValues<D['options']>;

/** Options with any other name, each of type `Rest`. */
export type RestValues<Rest extends z.ZodType> = [Rest] extends [never]
  ? unknown
  : Readonly<Record<string, z.output<Rest>>>;

/** Something that has options. */
export interface Configurable<T extends OptionTypes = OptionTypes, Rest extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly options: T;
  /** The type of options with any other name. Default: other names are rejected. */
  readonly rest?: Rest;
  /** Rules over several options. Returns a sentence for each broken rule. */
  check?(options: OptionValues<T> & RestValues<Rest>): string[];
}

/** The text of help texts, the JSON Schema and the reference for something with options. */
export interface Described<T extends OptionTypes = OptionTypes, Rest extends z.ZodType = z.ZodType>
  extends Configurable<T, Rest> {
  /** One sentence. */
  readonly summary: string;
  /** The MONAI class that it mirrors, with every known difference. */
  readonly mirrors?: string;
  /** Example options, as in a pipeline file. */
  readonly example: object;
}

/** A fault in options: the path inside them, and a clause that continues it ("must be …, but it is …"). */
export interface OptionFault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Validated options and what was built from them, or all of their faults. */
export type Configured<Built> =
  | {
      readonly options: Readonly<Record<string, unknown>>;
      readonly built: Built;
      readonly faults: readonly [];
    }
  | { readonly options?: undefined; readonly built?: undefined; readonly faults: readonly OptionFault[] };

/** A definition as a registry stores it. `configure` hides the types of its options. */
export interface Definition<Built> extends Described {
  /** Validates options and builds from them. */
  readonly configure: (given: unknown) => Configured<Built>;
}

/** Hides the option types of a definition behind a function, so that the result can be used without them. */
export function configurator<T extends OptionTypes, Rest extends z.ZodType, Built>(
  definition: Configurable<T, Rest>,
  build: (options: OptionValues<T> & RestValues<Rest>) => Built,
): (given: unknown) => Configured<Built> {
  return (given) => {
    const { options, faults } = checkOptions(definition, given);
    return options ? { options, built: build(options), faults: [] } : { faults };
  };
}

/** A function with the fields of a definition, so that it can be both called and registered. */
export function callable<F extends (...args: never[]) => unknown, D extends { readonly name: string }>(
  call: F,
  definition: D,
): F & D {
  // A function already has a `name`, which can be redefined but not assigned.
  const fields = Object.entries(definition).map(([key, value]) => [key, { value, enumerable: true }]);
  return Object.defineProperties(call, Object.fromEntries(fields)) as F & D;
}

/** Validates options and fills in defaults. Reports all faults at once. */
export function checkOptions<T extends OptionTypes, Rest extends z.ZodType>(
  definition: Configurable<T, Rest>,
  given: unknown,
): { options?: OptionValues<T> & RestValues<Rest>; faults: OptionFault[] } {
  const shape: OptionTypes = definition.options;
  const schema = definition.rest ? z.object(shape).catchall(definition.rest) : z.strictObject(shape);
  const parsed = schema.safeParse(given ?? {}, { reportInput: true });
  if (!parsed.success) {
    return { faults: parsed.error.issues.flatMap((issue) => describeIssue(issue, definition)) };
  }
  // The schema consists of these same types.
  const options = parsed.data as OptionValues<T> & RestValues<Rest>;
  const faults = definition.check?.(options) ?? [];
  if (faults.length > 0) return { faults: faults.map((message) => ({ path: [], message })) };
  return { options, faults: [] };
}

/** Validates options that are given in code and fills in defaults. Throws OptionError with every fault. */
export function parseOptions<T extends OptionTypes, Rest extends z.ZodType>(
  definition: Configurable<T, Rest>,
  given: GivenOptions<T> | undefined,
): OptionValues<T> & RestValues<Rest> {
  const { options, faults } = checkOptions(definition, given);
  if (options) return options;
  throw new OptionError(faults.map((fault) => sayFault(definition.name, fault)).join('\n'));
}

/** A fault as a sentence about the definition `name`. */
export function sayFault(name: string, { path, message }: OptionFault): string {
  return ended(`${name}: ${path.length > 0 ? `${path.join('.')} ` : ''}${message}`);
}

type Issue = z.core.$ZodIssue;

/** The begin of what an error of a limit adds to it. */
export const didYouMean = '(did you mean ';

function describeIssue(issue: Issue, definition: Configurable): OptionFault[] {
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(definition.options);
    return issue.keys.map((key) => {
      if (issue.path.length > 0) return { path: [...issue.path, key], message: 'is not known' };
      const near = nearestName(key, known);
      return {
        path: [key],
        message:
          `is not an option of ${definition.name}; ` +
          `${near ? `did you mean "${near}"?` : `known are ${listNames(known)}`}`,
      };
    });
  }
  const type = issue.path.length > 0 ? definition.options[String(issue.path[0])] : undefined;
  const wish = expectation(issue);
  const about = type?.description ? ` (${type.description.replace(/\.$/, '')})` : '';
  if (issue.input === undefined) return [{ path: issue.path, message: `is required${about}` }];
  return [{ path: issue.path, message: `must be ${wish}, but it is ${show(issue.input)}${about}` }];
}

/**
 * A wrong field of a file as a clause: where, what was found, what was expected.
 *
 * @param whole What the file holds, for messages about all of it.
 */
export function sayIssue(issue: Issue, whole: string): string {
  const at = issue.path.join('.') || whole;
  if (issue.code === 'unrecognized_keys')
    return `${at} has the unknown field ${listNames(issue.keys.map((key) => show(key)))}`;
  const found = issue.input === undefined ? 'missing' : show(issue.input);
  // These have no expectation besides their own message.
  const isRule = ['custom', 'invalid_format', 'invalid_key', 'invalid_element'].includes(issue.code);
  return `${at} is ${found}${isRule ? `: ${issue.message}` : `, but it must be ${expectation(issue)}`}`;
}

function expectation(issue: Issue): string {
  const meant = issue.message.startsWith(didYouMean) ? ` ${issue.message}` : '';
  switch (issue.code) {
    case 'invalid_type':
      return (
        {
          array: 'a list',
          tuple: 'a list',
          record: 'a map',
          object: 'a map',
          int: 'a whole number',
          boolean: 'true or false',
        }[issue.expected as string] ?? `a ${issue.expected}`
      );
    case 'too_small': {
      if (issue.origin === 'array') return `a list of at least ${issue.minimum} items`;
      if (issue.origin === 'string') return 'a non-empty text';
      return `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
    }
    case 'too_big':
      if (issue.origin === 'array') return `a list of at most ${issue.maximum} items`;
      return `${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}${meant}`;
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
