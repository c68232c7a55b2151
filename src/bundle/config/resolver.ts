import { nearestName, OptionError } from '../../errors.js';
import { evaluate } from '../language/evaluate.js';
import { NativeFunction } from '../language/native.js';
import type { Node } from '../language/nodes.js';
import { parseExpression } from '../language/parse.js';
import { Refusal } from '../language/refusal.js';
import { PyType } from '../language/types.js';
import { Dict, PyObject, str, truth, type Value } from '../language/values.js';
import { Library, type LibraryOptions } from '../library/imports.js';
import { Component, componentKeys } from './component.js';
import { childrenOf, isComponent, isExpression, needsOf } from './references.js';
import { normalizeId, separator, walkTree } from './tree.js';

/** References may lead through this many others. */
const mostReferences = 250;

/** What a resolver needs to know of a configuration. */
export interface ResolverOptions extends LibraryOptions {
  /** The file that an id is from, for messages. */
  readonly fileOf: (id: string) => string;
  /** How another value is given for an id on the command line, for messages. */
  readonly override: (id: string) => string;
  /** Whether disabled components stay in their lists and maps, marked as such. */
  readonly keepDisabled?: boolean;
}

/**
 * Resolves references, expressions and components of a configuration whose macros are replaced. What was
 * resolved once is kept, so that `@network` is the same object everywhere.
 */
export class Resolver {
  readonly #items = new Map<string, Value>();
  readonly #resolved = new Map<string, Value>();
  readonly #parsed = new Map<string, Node>();
  readonly #library: Library;
  readonly #options: ResolverOptions;

  constructor(tree: Dict, options: ResolverOptions) {
    this.#options = options;
    this.#library = new Library(options);
    walkTree(tree, '', (value, id) => {
      if (!this.#items.has(id)) this.#items.set(id, value);
    });
    // Imports count wherever they stand.
    for (const [id, value] of this.#items) {
      if (!isExpression(value) || !value.includes('import')) continue;
      const imported = this.#library.import(value.slice(1));
      if (imported !== undefined) this.#resolved.set(id, imported);
    }
  }

  /** Whether there is an item with this id. */
  has(id: string): boolean {
    return this.#items.has(normalizeId(id));
  }

  /** The ids of the components of a class, named without its module. */
  idsOf(name: string): string[] {
    return [...this.#items].flatMap(([id, item]) => {
      const target = isComponent(item) ? item.get('_target_') : undefined;
      return typeof target === 'string' && target.split('.').at(-1) === name ? [id] : [];
    });
  }

  /** The text of an expression, without the `$`; undefined if the id is none. */
  expression(id: string): string | undefined {
    const item = this.#items.get(normalizeId(id)) ?? null;
    return isExpression(item) ? item.slice(1) : undefined;
  }

  /**
   * The value of an id.
   *
   * @throws OptionError naming the file, the id, the expression, what is wrong, and what to override.
   */
  resolve(id: string): Value {
    return this.#resolve(normalizeId(id), new Set());
  }

  #resolve(id: string, waiting: Set<string>): Value {
    const known = this.#resolved.get(id);
    if (known !== undefined) return known;
    const item = this.#items.get(id);
    if (item === undefined) throw new OptionError(`The configuration has no "${id}"${this.#near(id)}`);
    if (waiting.size > mostReferences) {
      throw this.#fault(id, `its references lead through more than ${mostReferences} others`);
    }
    waiting.add(id);
    for (const need of needsOf(item, id)) {
      if (waiting.has(need)) {
        throw this.#fault(
          id,
          `its references go round in a circle: ${[...waiting, need].map((one) => `@${one}`).join(' -> ')}`,
        );
      }
      if (this.#resolved.has(need)) continue;
      if (!this.#items.has(need)) {
        throw this.#fault(id, `it refers to @${need}, which is not in the configuration${this.#near(need)}`);
      }
      this.#resolve(need, waiting);
      waiting.delete(need);
    }
    const value = this.#make(item, id);
    this.#resolved.set(id, value);
    return value;
  }

  #make(item: Value, id: string): Value {
    try {
      if (isExpression(item)) return this.#evaluate(normalizeId(item).slice(1));
      const value = this.#filled(item, id);
      return isComponent(item) ? this.#component(value as Dict, id) : value;
    } catch (error) {
      if (error instanceof Refusal) throw this.#fault(id, error.message);
      throw error;
    }
  }

  #evaluate(text: string): Value {
    const imported = this.#library.import(text);
    if (imported !== undefined) return imported;
    const node = this.#parsed.get(text) ?? parseExpression(text);
    this.#parsed.set(text, node);
    return evaluate(node, {
      name: (name) => this.#library.name(name),
      reference: (reference) => this.#resolved.get(reference) ?? null,
    });
  }

  /** A value with what was resolved before in it. */
  #filled(value: Value, id: string): Value {
    if (typeof value === 'string') {
      const text = normalizeId(value);
      const [need] = text.startsWith('@') ? needsOf(text, id) : [];
      return need === undefined ? text : (this.#resolved.get(need) ?? null);
    }
    if (!Array.isArray(value) && !(value instanceof Dict)) return value;
    const kept = childrenOf(value, id).flatMap(({ key, id: childId, value: child }) => {
      if (!isComponent(child) && !isExpression(child)) return [[key, this.#filled(child, childId)] as const];
      const made = this.#resolved.get(childId) ?? null;
      return isComponent(child) && made === null ? [] : [[key, made] as const];
    });
    return Array.isArray(value) ? kept.map(([, item]) => item) : new Dict(kept);
  }

  /** The object of a component whose arguments are resolved, or null if it is disabled. */
  #component(given: Dict, id: string): Value {
    const flag = given.get('_disabled_') ?? false;
    const disabled = typeof flag === 'string' ? flag.trim().toLowerCase() === 'true' : truth(flag);
    if (disabled && !this.#options.keepDisabled) return null;
    const args = new Map(
      given
        .entries()
        .filter(([key]) => !componentKeys.includes(String(key)))
        .map(([key, value]) => [str(key), value]),
    );
    const named = given.get('_target_') as Value;
    const mode = str(given.get('_mode_') ?? 'default');
    const target = typeof named === 'string' ? named : named instanceof PyObject ? named.show() : '';
    if (target === '') throw new Refusal('_target_ must be the name of a class or function');
    const known = typeof named === 'string' ? this.#library.find(named) : named;
    const direct = known instanceof NativeFunction || known instanceof PyType;
    if (direct && mode === 'default' && !disabled) return known.call({ positional: [], named: args });
    return new Component(target, args, id, disabled, mode);
  }

  #fault(id: string, clause: string): OptionError {
    const item = this.#items.get(id);
    const text = isExpression(item ?? null)
      ? `the expression "${shorten(String(item))}" cannot be used: `
      : '';
    const key = id.replaceAll(separator, '#');
    return new OptionError(
      `In ${this.#options.fileOf(id)}, at ${id === '' ? 'the top' : key}, ${text}${clause.replace(/\.$/, '')}. ` +
        `Give another value on the command line: ${this.#options.override(key)}`,
    );
  }

  #near(id: string): string {
    const near = nearestName(id, this.#items.keys());
    return near === undefined ? '' : `; did you mean "${near}"?`;
  }
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
