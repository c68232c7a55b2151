import { listNames, messageOf, show } from '../errors.js';
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
import { replaceReferences } from './references.js';
import { unknownDefinition } from './registry.js';

/** Turns parts of a pipeline document into definitions and checked options. What is wrong goes to `faults`. */
export class Resolver {
  constructor(
    readonly faults: Faults,
    readonly vars: Data,
    readonly env?: Readonly<Record<string, string | undefined>>,
  ) {}

  /** A value with its references replaced. */
  replaced(value: unknown, path: readonly string[]): unknown {
    try {
      return replaceReferences(value, this.vars, this.env);
    } catch (error) {
      this.faults.add(path, messageOf(error));
      return undefined;
    }
  }

  /** A text that is not empty. */
  text(value: unknown, key: string): string {
    const found = this.replaced(value, [key]);
    if (found !== undefined && (typeof found !== 'string' || found === ''))
      this.faults.add([key], `${key} must be a text, but it is ${show(found)}.`);
    return String(found);
  }

  /** A block of options, checked. */
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

  /** One of several kinds, written as `{ KIND: OPTIONS }`, or `KIND` if it needs no options. */
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
        `${kind} must name one of ${listNames([...known.keys()], 'or')}, as its one key, but it is ` +
          `${show(given ?? 'missing')}.`,
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

  /** A list of steps or sinks; disabled ones are left out. `pathOf` says where an entry is. */
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
    // What a definition builds is as its own type says.
    return options && ({ id, definition, options, built } as PlacedOf<D>);
  }

  /** Options with references replaced; undefined if they are not a map or a reference is faulty. */
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
      this.faults.add([...path, ...inner], `${title}, ${option}${message}.`);
    }
  }
}

/** A definition in its place, of the kind that `D` is. */
export type PlacedOf<D extends Definition<unknown>> =
  D extends Definition<infer Built> ? Placed<Built> & { readonly definition: D } : never;

/** What a list of entries holds, for messages and lookups. */
interface EntryKind<D> {
  /** `operator` or `sink`. */
  readonly kind: string;
  /** `step` or `sink`. */
  readonly what: string;
  readonly known: ReadonlyMap<string, D>;
  readonly pathOf: (entry: Entry) => readonly string[];
}
