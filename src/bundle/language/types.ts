import { checkInt, checkSize } from './limits.js';
import { Given } from './native.js';
import { Refusal } from './refusal.js';
import {
  type Arguments,
  asInt,
  asNumber,
  Dict,
  iterate,
  PyObject,
  PySet,
  repr,
  str,
  Tuple,
  truth,
  typeName,
  type Value,
} from './values.js';

/** A type of Python: `int`, `str`, `list`. Calling it converts a value. */
export class PyType extends PyObject {
  override readonly typeName = 'type';

  constructor(
    readonly name: string,
    private readonly convert?: (given: Given) => Value,
  ) {
    super();
  }

  override show(): string {
    return `<class '${this.name}'>`;
  }

  override attribute(name: string): Value | undefined {
    return name === '__name__' ? this.name : undefined;
  }

  override call(args: Arguments): Value {
    if (!this.convert) throw new Refusal(`the type ${this.name} cannot be called`);
    const given = new Given(this.name, args);
    const value = this.convert(given);
    given.checkAllUsed();
    return value;
  }

  override equals(other: Value): boolean {
    return other instanceof PyType && other.name === this.name;
  }

  /** Whether `isinstance(value, type)` holds. */
  has(value: Value): boolean {
    const name = typeName(value);
    return name === this.name || (this.name === 'int' && name === 'bool') || this.name === 'object';
  }
}

const many = (given: Given): readonly Value[] => {
  const value = given.optional('iterable');
  const items = value === undefined ? [] : iterate(value);
  checkSize(items.length);
  return items;
};

/** Python's types by name. */
export const types: Readonly<Record<string, PyType>> = {
  int: new PyType('int', toInt),
  float: new PyType('float', toFloat),
  bool: new PyType('bool', (given) => truth(given.optional('x') ?? false)),
  str: new PyType('str', (given) => str(given.optional('object') ?? '')),
  list: new PyType('list', (given) => [...many(given)]),
  tuple: new PyType('tuple', (given) => new Tuple([...many(given)])),
  set: new PyType('set', (given) => new PySet(many(given))),
  frozenset: new PyType('frozenset', (given) => new PySet(many(given))),
  dict: new PyType('dict', toDict),
  object: new PyType('object'),
};

/** The type of a value, as `type(value)` gives it. */
export function typeOf(value: Value): PyType {
  const name = typeName(value);
  return types[name] ?? new PyType(name);
}

function toInt(given: Given): Value {
  const value = given.optional('x') ?? 0n;
  const base = given.optionalInt('base');
  if (typeof value === 'string') {
    const text = value.trim().replaceAll('_', '').toLowerCase();
    const pattern = base === 16 ? /^[-+]?(0x)?[0-9a-f]+$/ : base === 2 ? /^[-+]?(0b)?[01]+$/ : /^[-+]?\d+$/;
    if (!pattern.test(text)) throw new Refusal(`${repr(value)} is not an integer`);
    const digits = text.replace(/^[-+]/, '');
    const prefix = base === 16 ? '0x' : base === 2 ? '0b' : base === 8 ? '0o' : '';
    const size = BigInt(digits.startsWith(prefix) ? digits : prefix + digits);
    return checkInt(text.startsWith('-') ? -size : size);
  }
  const int = asInt(value);
  if (int !== undefined) return int;
  const number = asNumber(value) ?? asNumber(ownNumber(value) ?? null);
  if (number === undefined || !Number.isFinite(number)) throw new Refusal(`${repr(value)} is not an integer`);
  return BigInt(Math.trunc(number));
}

function toFloat(given: Given): Value {
  const value = given.optional('x') ?? 0;
  const number = asNumber(value) ?? asNumber(ownNumber(value) ?? null);
  if (number !== undefined) return number;
  if (typeof value === 'string') {
    const text = value.trim().toLowerCase().replaceAll('_', '');
    const special = /^([-+]?)(inf|infinity|nan)$/.exec(text);
    if (special) return special[2] === 'nan' ? Number.NaN : special[1] === '-' ? -Infinity : Infinity;
    if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/.test(text)) return Number(text);
  }
  throw new Refusal(`${repr(value)} is not a number`);
}

/** The number that an object such as an array of one item stands for. */
function ownNumber(value: Value): Value | undefined {
  return value instanceof PyObject ? value.attribute('__float__') : undefined;
}

function toDict(given: Given): Value {
  const first = given.optional('mapping');
  const dict = new Dict();
  if (first instanceof Dict) for (const [key, value] of first.entries()) dict.set(key, value);
  else if (first !== undefined) {
    for (const pair of iterate(first)) {
      const items = iterate(pair);
      if (items.length !== 2) throw new Refusal(`dict needs pairs, but got ${repr(pair)}`);
      dict.set(items[0], items[1]);
    }
  }
  for (const [name, value] of given.restNamed()) dict.set(name, value);
  return dict;
}
