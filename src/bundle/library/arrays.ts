import { binary } from '../language/binary.js';
import { functions, NativeFunction } from '../language/native.js';
import { Refusal } from '../language/refusal.js';
import { asInt, asNumber, Dict, iterate, PyObject, repr, Tuple, type Value } from '../language/values.js';

/** A one-dimensional array of numpy, a column of pandas: operators work on each item. */
export class PyArray extends PyObject {
  override readonly typeName = 'ndarray';

  constructor(readonly items: readonly Value[]) {
    super();
  }

  override show(): string {
    return `array(${repr([...this.items])})`;
  }

  override iterate(): readonly Value[] {
    return this.items;
  }

  override item(key: Value): Value {
    const index = asInt(key);
    const item = index === undefined ? undefined : this.items.at(Number(index));
    if (item === undefined)
      throw new Refusal(`an array of ${this.items.length} items has no item ${repr(key)}`);
    return item;
  }

  override binary(operator: string, other: Value, swapped: boolean): Value | undefined {
    const others =
      other instanceof PyArray || Array.isArray(other) || other instanceof Tuple ? iterate(other) : undefined;
    if (others && others.length !== this.items.length) {
      throw new Refusal(`arrays of ${this.items.length} and ${others.length} items do not go together`);
    }
    return new PyArray(
      this.items.map((item, i) => {
        const second = others ? others[i] : other;
        return swapped ? binary(operator, second, item) : binary(operator, item, second);
      }),
    );
  }

  override attribute(name: string): Value | undefined {
    const { items } = this;
    if (name === 'values' || name === 'T') return this;
    if (name === 'size') return BigInt(items.length);
    if (name === 'shape') return new Tuple([BigInt(items.length)]);
    if (name === '__float__') return items.length === 1 ? items[0] : undefined;
    const methods: Readonly<Record<string, () => Value>> = {
      tolist: () => [...items],
      to_list: () => [...items],
      to_numpy: () => this,
      copy: () => this,
      sum: () => fold(items, '+', 0n),
      prod: () => fold(items, '*', 1n),
      max: () => pick(items, Math.max),
      min: () => pick(items, Math.min),
      mean: () => binary('/', fold(items, '+', 0n), BigInt(items.length)),
    };
    return Object.hasOwn(methods, name) ? new NativeFunction(`array.${name}`, methods[name]) : undefined;
  }
}

/** A table of pandas: columns by name. */
export class DataFrame extends PyObject {
  override readonly typeName = 'DataFrame';

  /** @param known Undefined: a table that is not there, with any column, which is empty. */
  constructor(private readonly known: ReadonlyMap<string, readonly Value[]> | undefined) {
    super();
  }

  private get columns(): ReadonlyMap<string, readonly Value[]> {
    return this.known ?? new Map();
  }

  #column(name: string): readonly Value[] | undefined {
    return this.known ? this.known.get(name) : [];
  }

  override show(): string {
    return `a table with the columns ${[...this.columns.keys()].join(', ')}`;
  }

  override attribute(name: string): Value | undefined {
    if (name === 'columns') return [...this.columns.keys()];
    if (name === 'to_dict') {
      return new NativeFunction('DataFrame.to_dict', (given) => {
        if (given.optional('orient') !== 'records') throw new Refusal('to_dict is known with "records" only');
        return this.#records();
      });
    }
    const column = this.#column(name);
    return column && new PyArray(column);
  }

  override item(key: Value): Value {
    const column = typeof key === 'string' ? this.#column(key) : undefined;
    if (!column) throw new Refusal(`${this.show()} has no column ${repr(key)}`);
    return new PyArray(column);
  }

  override iterate(): readonly Value[] {
    return [...this.columns.keys()];
  }

  #records(): Dict[] {
    const [first] = this.columns.values();
    return Array.from(
      first ?? [],
      (_, row) => new Dict([...this.columns].map(([name, items]) => [name, items[row]])),
    );
  }
}

function fold(items: readonly Value[], operator: string, start: Value): Value {
  return items.reduce((sum, item) => binary(operator, sum, item), start);
}

function pick(items: readonly Value[], choose: (...values: number[]) => number): Value {
  if (items.length === 0) throw new Refusal('it asks for the largest or smallest of no values');
  const best = items.map((item) => asNumber(item) ?? Number.NaN).reduce((a, b) => choose(a, b));
  return items.find((item) => asNumber(item) === best) ?? best;
}

function numeric(run: (value: number) => number) {
  return (value: Value): Value => {
    if (value instanceof PyArray) return new PyArray(value.items.map(numeric(run)));
    const number = asNumber(value);
    if (number === undefined) throw new Refusal(`a number was expected, but got ${repr(value)}`);
    return run(number);
  };
}

const flat = (value: Value): readonly Value[] =>
  Array.isArray(value) || value instanceof Tuple
    ? iterate(value).flatMap(flat)
    : value instanceof PyArray
      ? value.items
      : [value];

/** Functions of numpy on lists of numbers. */
export const numpyFunctions = functions('numpy', {
  array: (given) => new PyArray(iterate(given.required('object'))),
  asarray: (given) => new PyArray(iterate(given.required('object'))),
  arange: (given) => {
    const [start, stop, step] = spread(given.rest());
    const count = Math.max(
      0,
      Math.ceil(((asNumber(stop) ?? 0) - (asNumber(start) ?? 0)) / (asNumber(step) ?? 1)),
    );
    if (!(count <= 1_000_000)) throw new Refusal('numpy.arange makes more than a million items');
    return new PyArray(
      Array.from({ length: count }, (_, i) => binary('+', start, binary('*', BigInt(i), step))),
    );
  },
  prod: (given) => fold(flat(given.required('a')), '*', 1n),
  sum: (given) => fold(flat(given.required('a')), '+', 0n),
  max: (given) => pick(flat(given.required('a')), Math.max),
  min: (given) => pick(flat(given.required('a')), Math.min),
  mean: (given) => {
    const items = flat(given.required('a'));
    return binary('/', fold(items, '+', 0), BigInt(items.length));
  },
  floor: (given) => numeric(Math.floor)(given.required('x')),
  ceil: (given) => numeric(Math.ceil)(given.required('x')),
  sqrt: (given) => numeric(Math.sqrt)(given.required('x')),
  log: (given) => numeric(Math.log)(given.required('x')),
  exp: (given) => numeric(Math.exp)(given.required('x')),
  abs: (given) => numeric(Math.abs)(given.required('x')),
});

function spread(values: readonly Value[]): [Value, Value, Value] {
  if (values.length === 1) return [0n, values[0], 1n];
  if (values.length === 2) return [values[0], values[1], 1n];
  if (values.length === 3) return [values[0], values[1], values[2]];
  throw new Refusal('numpy.arange needs one to three numbers');
}
