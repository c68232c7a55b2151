import { numbersOf, sizeOf } from '../tensor.js';
import { NumpyArray } from './numpy.js';
import { type Pickled, Tuple } from './pickled.js';
import { StoredTensor } from './storedTensor.js';

/** More numbers than any configuration holds. */
const mostNumbers = 1_000_000;

/**
 * What a pickle holds as plain data: dicts as objects, lists and tuples as lists, arrays and tensors as
 * nested lists. Others, and what lies deeper than a few levels, are left out.
 */
export function plainValues(value: Pickled, depth = 4): unknown {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value;
  if (depth === 0) return undefined;
  const inner = (item: Pickled) => plainValues(item, depth - 1);
  if (value instanceof Map) {
    const entries = [...value].filter(([key]) => typeof key === 'string');
    return Object.fromEntries(entries.map(([key, item]) => [key, inner(item)]));
  }
  if (Array.isArray(value)) return value.slice(0, mostNumbers).map(inner);
  if (value instanceof Tuple) return value.items.slice(0, mostNumbers).map(inner);
  if (value instanceof NumpyArray) return nested(value.values, value.dims);
  if (value instanceof StoredTensor && sizeOf(value.dims) <= mostNumbers) {
    return nested(numbersOf(value.read('tensor')), value.dims);
  }
  return undefined;
}

/** Values, the last axis fastest, as lists of lists. */
function nested(values: readonly unknown[], dims: readonly number[]): unknown {
  if (dims.length === 0) return values[0];
  const [count, ...rest] = dims;
  const size = sizeOf(rest);
  return Array.from({ length: count }, (_, i) => nested(values.slice(i * size, (i + 1) * size), rest));
}
