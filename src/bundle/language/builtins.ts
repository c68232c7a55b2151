import { binary } from './binary.js';
import { attribute } from './evaluate.js';
import { formatValue } from './format.js';
import { checkSize } from './limits.js';
import { sortValues } from './methods.js';
import { functions, type Given, type NativeFunction } from './native.js';
import { Refusal } from './refusal.js';
import { PyType, typeOf, types } from './types.js';
import {
  asInt,
  asNumber,
  Dict,
  equal,
  iterate,
  less,
  PyObject,
  PySet,
  repr,
  Tuple,
  truth,
  type Value,
} from './values.js';

/** What `bundle run` and `bundle resolve` leave out: functions that print, set or log, and give None. */
const nothing = (given: Given): Value => {
  given.rest();
  given.restNamed();
  return null;
};

/** Python's built-in functions and types that configurations may use. */
export const builtins: Readonly<Record<string, NativeFunction | PyType>> = {
  ...types,
  ...functions('', {
    len: (given) => {
      const value = given.required('object');
      if (value instanceof Dict || value instanceof PySet) return BigInt(value.size);
      return BigInt(iterate(value).length);
    },
    range: (given) => {
      const numbers = given.rest().map((value) => {
        const int = asInt(value);
        if (int === undefined) throw new Refusal(`range needs integers, but got ${repr(value)}`);
        return int;
      });
      const [start, stop, step] = numbers.length === 1 ? [0n, numbers[0], 1n] : [...numbers, 1n];
      if (stop === undefined || step === 0n)
        throw new Refusal('range needs one to three integers, not 0 as step');
      const count = step > 0n ? (stop - start + step - 1n) / step : (start - stop - step - 1n) / -step;
      checkSize(count);
      return Array.from({ length: Math.max(0, Number(count)) }, (_, i) => start + BigInt(i) * step);
    },
    sorted: (given) =>
      sortValues(
        iterate(given.required('iterable')),
        given.named('key') ?? null,
        given.named('reverse') ?? false,
      ),
    reversed: (given) => [...iterate(given.required('sequence'))].reverse(),
    zip: (given) => {
      given.named('strict');
      const lists = given.rest().map((value) => iterate(value));
      const length = lists.length === 0 ? 0 : Math.min(...lists.map((list) => list.length));
      return Array.from({ length }, (_, i) => new Tuple(lists.map((list) => list[i])));
    },
    enumerate: (given) => {
      const items = iterate(given.required('iterable'));
      const start = given.optionalInt('start') ?? 0;
      return items.map((item, i) => new Tuple([BigInt(i + start), item]));
    },
    map: (given) => {
      const run = callable(given.required('function'));
      const lists = given.rest().map((value) => iterate(value));
      const length = lists.length === 0 ? 0 : Math.min(...lists.map((list) => list.length));
      return Array.from({ length }, (_, i) => run(...lists.map((list) => list[i])));
    },
    filter: (given) => {
      const test = given.required('function');
      const items = iterate(given.required('iterable'));
      const run = test === null ? (item: Value) => item : callable(test);
      return items.filter((item) => truth(run(item)));
    },
    any: (given) => iterate(given.required('iterable')).some(truth),
    all: (given) => iterate(given.required('iterable')).every(truth),
    sum: (given) => {
      const items = iterate(given.required('iterable'));
      return items.reduce((sum, item) => binary('+', sum, item), given.optional('start') ?? 0n);
    },
    max: (given) => extreme(given, (a, b) => less(b, a)),
    min: (given) => extreme(given, less),
    abs: (given) => {
      const value = given.required('x');
      const int = asInt(value);
      if (int !== undefined) return int < 0n ? -int : int;
      const number = asNumber(value);
      if (number === undefined) throw new Refusal(`abs needs a number, but got ${repr(value)}`);
      return Math.abs(number);
    },
    round: (given) => round(given.required('number'), given.optionalInt('ndigits')),
    pow: (given) => binary('**', given.required('base'), given.required('exp')),
    divmod: (given) => {
      const [a, b] = [given.required('a'), given.required('b')];
      return new Tuple([binary('//', a, b), binary('%', a, b)]);
    },
    repr: (given) => repr(given.required('object')),
    ascii: (given) => repr(given.required('object')),
    format: (given) => formatValue(given.required('value'), String(given.optional('format_spec') ?? '')),
    chr: (given) => String.fromCodePoint(Math.min(0x10ffff, Math.max(0, given.int('i')))),
    ord: (given) => BigInt(given.text('c').codePointAt(0) ?? 0),
    type: (given) => typeOf(given.required('object')),
    isinstance: (given) => {
      const [value, type] = [given.required('object'), given.required('type')];
      const all = type instanceof Tuple ? type.items : [type];
      return all.some((one) => {
        if (!(one instanceof PyType)) throw new Refusal(`isinstance knows no type ${repr(one)}`);
        return one.has(value);
      });
    },
    callable: (given) => given.required('object') instanceof PyObject,
    getattr: (given) => {
      const [object, name, otherwise] = [
        given.required('object'),
        given.text('name'),
        given.optional('default'),
      ];
      if (otherwise === undefined) return attribute(object, name);
      const value = object instanceof PyObject && !name.startsWith('__') ? object.attribute(name) : undefined;
      return value ?? otherwise;
    },
    next: (given) => {
      const [items, otherwise] = [iterate(given.required('iterator')), given.optional('default')];
      const first = items[0] ?? otherwise;
      if (first === undefined) throw new Refusal('next found no item');
      return first;
    },
    iter: (given) => [...iterate(given.required('iterable'))],
    slice: () => {
      throw new Refusal('slice(…) is not supported: write a[from:to]');
    },
    print: nothing,
    setattr: nothing,
  }),
};

/** A function that calls a Python value. */
export function callable(value: Value): (...args: Value[]) => Value {
  if (!(value instanceof PyObject)) throw new Refusal(`${repr(value)} is not a function`);
  return (...positional) => value.call({ positional, named: new Map() });
}

function extreme(given: Given, better: (a: Value, b: Value) => boolean): Value {
  const [key, otherwise] = [given.named('key') ?? null, given.named('default')];
  const args = given.rest();
  const items = args.length === 1 ? iterate(args[0]) : args;
  if (items.length === 0) {
    if (otherwise !== undefined) return otherwise;
    throw new Refusal(`${given.name} got no values`);
  }
  const by = key === null ? (item: Value) => item : callable(key);
  return items.reduce((best, item) => (better(by(item), by(best)) ? item : best));
}

/** Rounds half to even, as Python does. */
function round(value: Value, digits: number | undefined): Value {
  const int = asInt(value);
  if (int !== undefined && (digits === undefined || digits >= 0)) return int;
  const number = asNumber(value);
  if (number === undefined || (digits === undefined && !Number.isFinite(number))) {
    throw new Refusal(`round needs a number, but got ${repr(value)}`);
  }
  if (digits === undefined) return BigInt(halfToEven(number));
  if (Math.abs(digits) > 100) return number;
  const scale = 10 ** Math.abs(digits);
  if (digits < 0) {
    const rounded = halfToEven(number / scale) * scale;
    return int === undefined ? rounded : BigInt(rounded);
  }
  // A decimal text rounds by the exact value, as Python does; ties are exact in binary.
  const scaled = number * scale;
  const tie = Number.isFinite(scaled) && scaled / scale === number && Math.abs(scaled % 1) === 0.5;
  return tie ? halfToEven(scaled) / scale : Number(number.toFixed(digits));
}

function halfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return equal(floor % 2, 0) ? floor : floor + 1;
}
