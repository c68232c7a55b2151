import { z } from 'zod';
import { listNames, nearestName, show } from './errors.js';

/** What can be validated: an operator, a sink, a source, a network. */
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
