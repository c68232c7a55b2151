import { Refusal } from './refusal.js';

/**
 * A value of a configuration, as Python would have it. An int is a bigint and a float is a number, so that
 * `7 / 2`, `str(1.0)` and `type(x).__name__` give what Python gives.
 */
export type Value = null | boolean | bigint | number | string | Value[] | Tuple | Dict | PySet | PyObject;

/** Arguments of a call: positional ones, and those with a name. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** A Python tuple. */
export class Tuple {
  constructor(readonly items: readonly Value[]) {}
}

/** A Python dictionary: it keeps the order of its keys, and `1`, `1.0` and `True` are the same key. */
export class Dict {
  readonly #entries = new Map<string, readonly [key: Value, value: Value]>();

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(hashOf(key))?.[1];
  }

  has(key: Value): boolean {
    return this.#entries.has(hashOf(key));
  }

  set(key: Value, value: Value): void {
    const hash = hashOf(key);
    this.#entries.set(hash, [this.#entries.get(hash)?.[0] ?? key, value]);
  }

  delete(key: Value): boolean {
    return this.#entries.delete(hashOf(key));
  }

  clear(): void {
    this.#entries.clear();
  }

  keys(): Value[] {
    return Array.from(this.#entries.values(), ([key]) => key);
  }

  values(): Value[] {
    return Array.from(this.#entries.values(), ([, value]) => value);
  }

  entries(): (readonly [Value, Value])[] {
    return [...this.#entries.values()];
  }
}

/** A Python set. A loop over it gets ints in ascending order, as in CPython for small ones. */
export class PySet {
  readonly #items = new Map<string, Value>();

  constructor(items: Iterable<Value> = []) {
    for (const item of items) this.add(item);
  }

  get size(): number {
    return this.#items.size;
  }

  has(item: Value): boolean {
    return this.#items.has(hashOf(item));
  }

  add(item: Value): void {
    const hash = hashOf(item);
    if (!this.#items.has(hash)) this.#items.set(hash, item);
  }

  delete(item: Value): boolean {
    return this.#items.delete(hashOf(item));
  }

  items(): Value[] {
    const items = [...this.#items.values()];
    return items.every((item): item is bigint => typeof item === 'bigint' && item >= 0n)
      ? items.sort((a, b) => Number(a - b))
      : items;
  }
}

/** Everything else: functions, modules, paths, data types, components. Subclasses say what they can do. */
export abstract class PyObject {
  /** The name of the type, as `type(x).__name__` gives it. */
  abstract readonly typeName: string;

  /** The text that `repr` gives. */
  abstract show(): string;

  /** The value of an attribute, or undefined where there is none. */
  attribute(_name: string): Value | undefined {
    return undefined;
  }

  /** Calls the object. */
  call(_args: Arguments): Value {
    throw new Refusal(`${this.show()} cannot be called`);
  }

  /** The value of `object[key]`. */
  item(_key: Value): Value {
    throw new Refusal(`${this.show()} has no items`);
  }

  /** What a loop over the object gives. */
  iterate(): readonly Value[] {
    throw new Refusal(`${this.show()} is not a sequence`);
  }

  /** The result of `object OPERATOR other`, or `other OPERATOR object` where `swapped`. */
  binary(_operator: string, _other: Value, _swapped: boolean): Value | undefined {
    return undefined;
  }

  equals(other: Value): boolean {
    return this === other;
  }
}

const identities = new WeakMap<PyObject, number>();
let nextIdentity = 0;

/** A text that is equal for equal keys. */
function hashOf(value: Value): string {
  if (value === null) return 'none';
  if (typeof value === 'string') return `s${value}`;
  if (typeof value === 'boolean') return `n${value ? 1 : 0}`;
  if (typeof value === 'bigint' || typeof value === 'number') return `n${value}`;
  if (value instanceof Tuple) return `t${value.items.map(hashOf).map((hash) => `${hash.length}:${hash}`)}`;
  if (value instanceof PyObject) {
    if (!identities.has(value)) identities.set(value, nextIdentity++);
    return `o${identities.get(value)}`;
  }
  throw new Refusal(`a ${typeName(value)} cannot be a key of a dictionary or an item of a set`);
}

/** The name of a value's Python type. */
export function typeName(value: Value): string {
  if (value === null) return 'NoneType';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return 'float';
  if (typeof value === 'string') return 'str';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof Dict) return 'dict';
  if (value instanceof PySet) return 'set';
  return value.typeName;
}

/** Whether Python takes the value for true. */
export function truth(value: Value): boolean {
  if (value === null) return false;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return value !== 0n;
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'string' || Array.isArray(value)) return value.length > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Dict || value instanceof PySet) return value.size > 0;
  return true;
}

/** The items that a loop over a value gives. */
export function iterate(value: Value): readonly Value[] {
  if (typeof value === 'string') return [...value];
  if (Array.isArray(value)) return value;
  if (value instanceof Tuple) return value.items;
  if (value instanceof Dict) return value.keys();
  if (value instanceof PySet) return value.items();
  if (value instanceof PyObject) return value.iterate();
  throw new Refusal(`${repr(value)} is not a sequence`);
}

/** A number as a float, or undefined for other values. A bool counts as 0 or 1. */
export function asNumber(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'boolean') return value ? 1 : 0;
  return undefined;
}

/** An int as a bigint, or undefined for other values. A bool counts as 0 or 1. */
export function asInt(value: Value): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return undefined;
}

/** Python's `a == b`. */
export function equal(a: Value, b: Value): boolean {
  const [x, y] = [asNumber(a), asNumber(b)];
  if (x !== undefined && y !== undefined) {
    return typeof a === 'bigint' && typeof b === 'bigint' ? a === b : x === y;
  }
  if (Array.isArray(a) && Array.isArray(b)) return sameItems(a, b);
  if (a instanceof Tuple && b instanceof Tuple) return sameItems(a.items, b.items);
  if (a instanceof Dict && b instanceof Dict) {
    return a.size === b.size && a.entries().every(([key, value]) => b.has(key) && equal(value, b.get(key)!));
  }
  if (a instanceof PySet && b instanceof PySet) {
    return a.size === b.size && a.items().every((item) => b.has(item));
  }
  if (a instanceof PyObject) return a.equals(b);
  return a === b;
}

function sameItems(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((item, i) => equal(item, b[i]));
}

/** Whether `a < b` holds, for numbers, texts, and sequences of such. */
export function less(a: Value, b: Value): boolean {
  const [x, y] = [asNumber(a), asNumber(b)];
  if (x !== undefined && y !== undefined) {
    return typeof a === 'bigint' && typeof b === 'bigint' ? a < b : x < y;
  }
  if (typeof a === 'string' && typeof b === 'string') return lessText(a, b);
  const [p, q] = [sequence(a), sequence(b)];
  if (p && q && typeName(a) === typeName(b)) {
    const at = p.findIndex((item, i) => i >= q.length || !equal(item, q[i]));
    return at < 0 ? p.length < q.length : at < q.length && less(p[at], q[at]);
  }
  throw new Refusal(`${repr(a)} and ${repr(b)} have no order`);
}

/** Compares by code points, as Python does, not by UTF-16 units. */
function lessText(a: string, b: string): boolean {
  const [p, q] = [[...a], [...b]];
  const at = p.findIndex((char, i) => char !== q[i]);
  return at < 0
    ? p.length < q.length
    : at < q.length && (p[at].codePointAt(0) as number) < (q[at].codePointAt(0) as number);
}

function sequence(value: Value): readonly Value[] | undefined {
  if (Array.isArray(value)) return value;
  return value instanceof Tuple ? value.items : undefined;
}

/** Python's `repr`. */
export function repr(value: Value, depth = 0): string {
  if (depth > 100) return '...';
  const list = (items: readonly Value[]) => items.map((item) => repr(item, depth + 1)).join(', ');
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return floatText(value);
  if (typeof value === 'string') return quote(value);
  if (Array.isArray(value)) return `[${list(value)}]`;
  if (value instanceof Tuple) return `(${list(value.items)}${value.items.length === 1 ? ',' : ''})`;
  if (value instanceof Dict) {
    return `{${value
      .entries()
      .map(([key, item]) => `${repr(key, depth + 1)}: ${repr(item, depth + 1)}`)
      .join(', ')}}`;
  }
  if (value instanceof PySet) return value.size === 0 ? 'set()' : `{${list(value.items())}}`;
  return value.show();
}

/** Python's `str`. */
export function str(value: Value): string {
  if (typeof value === 'string') return value;
  const text = value instanceof PyObject ? value.attribute('__str__') : undefined;
  return typeof text === 'string' ? text : repr(value);
}

/** A float as Python writes it: `1.0`, `1e-05`, `inf`. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0.0';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [digits, exponent] = value.toExponential().split('e');
    const power = Math.abs(Number(exponent));
    return `${digits}e${exponent.startsWith('-') ? '-' : '+'}${String(power).padStart(2, '0')}`;
  }
  const text = String(value);
  return text.includes('.') ? text : `${text}.0`;
}

function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };
  const escaped = Array.from(text, (char) => {
    if (char === mark) return `\\${mark}`;
    if (named[char]) return named[char];
    const code = char.codePointAt(0) as number;
    return code < 0x20 || code === 0x7f ? `\\x${code.toString(16).padStart(2, '0')}` : char;
  });
  return `${mark}${escaped.join('')}${mark}`;
}
