import { Dict, PySet, Tuple, type Value } from '../language/values.js';
import { asDict, Component } from './component.js';

/**
 * A value as plain data for JSON: ints are numbers, tuples and sets are lists, components are maps with
 * `_target_`. What JSON lacks is `{ "$python": text }`.
 */
export function toPlain(value: Value): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : { $python: String(value) };
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(toPlain);
  if (value instanceof Tuple) return value.items.map(toPlain);
  if (value instanceof PySet) return value.items().map(toPlain);
  if (value instanceof Component) return toPlain(asDict(value));
  if (value instanceof Dict) {
    return Object.fromEntries(value.entries().map(([key, item]) => [String(key), toPlain(item)]));
  }
  return { $python: value.show() };
}
