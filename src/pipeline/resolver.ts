import { ended, listNames, messageOf, show } from '../errors.js';
import {
  type Configurable,
  checkOptions,
  type Definition,
  type OptionFault,
  type OptionTypes,
  type OptionValues,
} from '../options.js';
import { type Data, type Entry, isData } from './document.js';
import type { Faults } from './faults.js';
import type { Placed } from './placed.js';
import type { References } from './references.js';
import { unknownDefinition } from './registry.js';

/**
 * Resolves parts of a pipeline document to definitions and validated options. Problems are added to `faults`.
 */
export class Resolver {
  constructor(
    readonly faults: Faults,
    readonly references: References,
  ) {}

  /** A value with its references replaced. */
  replaced(value: unknown, path: readonly string[]): unknown {
    try {
      return this.references.replace(value);
    } catch (error) {
      this.faults.add(path, messageOf(error));
      return undefined;
    }
  }

  /** A non-empty text. */
  text(value: unknown, key: string): string {
    const found = this.replaced(value, [key]);
    if (found !== undefined && (typeof found !== 'string' || found === ''))
      this.faults.add([key], `${key} must be a text, but it is ${show(found)}.`);
    return String(found);
  }

  /** A validated block of options. */
  block<T extends OptionTypes>(
    definition: Configurable<T>,
    given: unknown,
    path: readonly string[],
  ): OptionValues<T> | undefined {
    const value = this.#options(given, path, definition.name);
    if (!value) return undefined;
    const { options, faults } = checkOptions(definition, value);
    this.#add(faults, path, definition.name);
    return options;
  }

  /** A choice of one kind, written as `{ KIND: OPTIONS }`, or as `KIND` if it needs no options. */
  choice<D extends Definition<unknown>>(
    given: unknown,
    path: readonly string[],
    kind: string,
    known: ReadonlyMap<string, D>,
  ): PlacedOf<D> | undefined {
    const names = isData(given) ? Object.keys(given) : typeof given === 'string' ? [given] : [];
    if (names.length !== 1) {
      this.faults.add(
        path,
        `${kind} must have one of ${listNames([...known.keys()], 'or')} as its only key, but it is ` +
          `${given === undefined || given === null ? 'missing' : show(given)}.`,
      );
      return undefined;
    }
    const [name] = names;
    const definition = known.get(name);
    if (!definition) {
      this.faults.add([...path, name], unknownDefinition(kind, name, known));
      return undefined;
    }
    const options = isData(given) ? given[name] : undefined;
    return this.#place(name, definition, options, [...path, name], `${kind} ${name}`);
  }

  /** A list of steps or sinks without the disabled ones. `pathOf` returns the path of an entry. */
  entries<D extends Definition<unknown>>(
    entries: readonly Entry[],
    { kind, what, known, pathOf }: EntryKind<D>,
  ): PlacedOf<D>[] {
    return entries.flatMap((entry) => {
      const path = pathOf(entry);
      const definition = known.get(entry.name);
      if (!definition) {
        this.faults.add(path, `${what} ${entry.number}: ${unknownDefinition(kind, entry.name, known)}`);
        return [];
      }
      if (entry.disabled) return [];
      const title = `${what} ${entry.number} (${entry.id})`;
      const placed = this.#place(entry.id, definition, entry.options, [...path, entry.name], title);
      return placed ? [placed] : [];
    });
  }

  #place<D extends Definition<unknown>>(
    id: string,
    definition: D,
    given: unknown,
    path: readonly string[],
    title: string,
  ): PlacedOf<D> | undefined {
    const value = this.#options(given, path, title);
    if (!value) return undefined;
    const { options, built, faults } = definition.configure(value);
    this.#add(faults, path, title);
    // The definition's own type states what it builds.
    return options && ({ id, definition, options, built } as PlacedOf<D>);
  }

  /** Options with references replaced. Undefined if they are not a map or a reference is invalid. */
  #options(given: unknown, path: readonly string[], title: string): Data | undefined {
    const before = this.faults.count;
    const value = this.replaced(given, path);
    if (this.faults.count > before) return undefined;
    if (value === undefined || value === null) return {};
    if (isData(value)) return value;
    this.faults.add(path, `${title} takes a map of options, but it is ${show(value)}.`);
    return undefined;
  }

  #add(faults: readonly OptionFault[], path: readonly string[], title: string): void {
    for (const { path: inner, message } of faults) {
      const option = inner.length > 0 ? `${inner.join('.')} ` : '';
      this.faults.add([...path, ...inner], ended(`${title}, ${option}${message}`));
    }
  }
}

/** A placed definition of the type `D`. */
export type PlacedOf<D extends Definition<unknown>> =
  D extends Definition<infer Built> ? Placed<Built> & { readonly definition: D } : never;

/** The kind of entries in a list, for messages and lookups. */
interface EntryKind<D> {
  /** `operator` or `sink`. */
  readonly kind: string;
  /** `step` or `sink`. */
  readonly what: string;
  readonly known: ReadonlyMap<string, D>;
  readonly pathOf: (entry: Entry) => readonly string[];
}
