import { formatOld } from './format.js';
import { checkInt, checkSize, mostBits } from './limits.js';
import { Refusal } from './refusal.js';
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
  typeName,
  type Value,
} from './values.js';

/** The result of a binary operator such as `+`. Throws Refusal where Python has none. */
export function binary(operator: string, a: Value, b: Value): Value {
  const own =
    (a instanceof PyObject ? a.binary(operator, b, false) : undefined) ??
    (b instanceof PyObject ? b.binary(operator, a, true) : undefined);
  if (own !== undefined) return own;
  if (operator === '%' && typeof a === 'string') return formatOld(a, b);
  const result =
    integers(operator, a, b) ??
    floats(operator, a, b) ??
    sequences(operator, a, b) ??
    sets(operator, a, b) ??
    dicts(operator, a, b);
  if (result !== undefined) return result;
  throw new Refusal(`${typeName(a)} ${operator} ${typeName(b)} is not defined`);
}

function integers(operator: string, left: Value, right: Value): Value | undefined {
  const [a, b] = [asInt(left), asInt(right)];
  if (a === undefined || b === undefined) return undefined;
  const whole = (value: bigint): Value =>
    typeof left === 'boolean' && typeof right === 'boolean' ? value !== 0n : value;
  switch (operator) {
    case '+':
      return checkInt(a + b);
    case '-':
      return checkInt(a - b);
    case '*':
      return checkInt(a * b);
    case '//':
      return floorDivide(a, b);
    case '%':
      return a - b * floorDivide(a, b);
    case '**':
      return b < 0n ? undefined : power(a, b);
    case '<<':
      if (b < 0n || b > BigInt(mostBits)) throw new Refusal('it shifts by too many bits');
      return checkInt(a << b);
    case '>>':
      if (b < 0n) throw new Refusal('it shifts by a negative number');
      return a >> (b > BigInt(mostBits) ? BigInt(mostBits) : b);
    case '&':
      return whole(a & b);
    case '|':
      return whole(a | b);
    case '^':
      return whole(a ^ b);
  }
  return undefined;
}

function floorDivide(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new Refusal('it divides by zero');
  return a / b - (a % b !== 0n && a < 0n !== b < 0n ? 1n : 0n);
}

function power(a: bigint, b: bigint): bigint {
  const bits = a === 0n || a === 1n || a === -1n ? 1 : a.toString(2).length;
  if (bits > 1 && BigInt(bits) * b > BigInt(2 * mostBits)) {
    throw new Refusal(`it makes an integer of more than ${mostBits} bits`);
  }
  return checkInt(bits === 1 ? a ** (b % 2n === 0n && b > 0n ? 2n : b > 0n ? 1n : 0n) : a ** b);
}

function floats(operator: string, left: Value, right: Value): Value | undefined {
  const [a, b] = [asNumber(left), asNumber(right)];
  if (a === undefined || b === undefined) return undefined;
  if (['/', '//', '%'].includes(operator) && b === 0) throw new Refusal('it divides by zero');
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
      return a / b;
    case '//':
      return Math.floor(a / b);
    case '%':
      return a - b * Math.floor(a / b);
    case '**':
      if (a === 0 && b < 0) throw new Refusal('it divides by zero');
      return a ** b;
  }
  return undefined;
}

function sequences(operator: string, a: Value, b: Value): Value | undefined {
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') {
      checkSize(a.length + b.length);
      return a + b;
    }
    if (Array.isArray(a) && Array.isArray(b)) {
      checkSize(a.length + b.length);
      return [...a, ...b];
    }
    if (a instanceof Tuple && b instanceof Tuple) return new Tuple([...a.items, ...b.items]);
  }
  if (operator !== '*') return undefined;
  const times = asInt(b) ?? asInt(a);
  const repeated = asInt(b) === undefined ? b : a;
  if (times === undefined) return undefined;
  const count = Number(times < 0n ? 0n : times > 10_000_000n ? 10_000_000n : times);
  if (typeof repeated === 'string') {
    checkSize(repeated.length * count);
    return repeated.repeat(count);
  }
  if (!Array.isArray(repeated) && !(repeated instanceof Tuple)) return undefined;
  const items = iterate(repeated);
  checkSize(items.length * count);
  const all = Array.from({ length: count }, () => items).flat();
  return Array.isArray(repeated) ? all : new Tuple(all);
}

function sets(operator: string, a: Value, b: Value): Value | undefined {
  if (!(a instanceof PySet && b instanceof PySet)) return undefined;
  switch (operator) {
    case '|':
      return new PySet([...a.items(), ...b.items()]);
    case '&':
      return new PySet(a.items().filter((item) => b.has(item)));
    case '-':
      return new PySet(a.items().filter((item) => !b.has(item)));
    case '^':
      return new PySet([
        ...a.items().filter((item) => !b.has(item)),
        ...b.items().filter((item) => !a.has(item)),
      ]);
  }
  return undefined;
}

function dicts(operator: string, a: Value, b: Value): Value | undefined {
  return operator === '|' && a instanceof Dict && b instanceof Dict
    ? new Dict([...a.entries(), ...b.entries()])
    : undefined;
}

/** The result of `-a`, `+a`, `~a`. */
export function unary(operator: string, value: Value): Value {
  const own = value instanceof PyObject ? value.binary(`unary ${operator}`, null, false) : undefined;
  if (own !== undefined) return own;
  const int = asInt(value);
  if (int !== undefined) return operator === '-' ? -int : operator === '+' ? int : ~int;
  if (typeof value === 'number' && operator !== '~') return operator === '-' ? -value : value;
  throw new Refusal(`${operator}${typeName(value)} is not defined`);
}

/** The result of a comparison such as `<`, `in` or `is not`. */
export function compare(operator: string, a: Value, b: Value): boolean {
  switch (operator) {
    case '==':
      return equal(a, b);
    case '!=':
      return !equal(a, b);
    case 'is':
      return same(a, b);
    case 'is not':
      return !same(a, b);
    case 'in':
      return contains(b, a);
    case 'not in':
      return !contains(b, a);
  }
  if (a instanceof PySet && b instanceof PySet) return compareSets(operator, a, b);
  if (operator === '<') return less(a, b);
  if (operator === '>') return less(b, a);
  if (Number.isNaN(a) || Number.isNaN(b)) return false;
  return operator === '<=' ? !less(b, a) : !less(a, b);
}

function compareSets(operator: string, a: PySet, b: PySet): boolean {
  const [small, large] = operator.startsWith('<') ? [a, b] : [b, a];
  const within = small.items().every((item) => large.has(item));
  return within && (operator.endsWith('=') || small.size < large.size);
}

function same(a: Value, b: Value): boolean {
  return (
    a === b ||
    (a !== null && b !== null && typeName(a) === typeName(b) && !(a instanceof Object) && equal(a, b))
  );
}

function contains(all: Value, item: Value): boolean {
  if (typeof all === 'string') {
    if (typeof item === 'string') return all.includes(item);
    throw new Refusal(`"in" a text needs a text, but got ${repr(item)}`);
  }
  if (all instanceof Dict || all instanceof PySet) return all.has(item);
  return iterate(all).some((one) => equal(one, item));
}
