import { Dict, type Value } from '../language/values.js';
import { normalizeId, separator } from './tree.js';

const referencePattern = /@[\p{L}\p{N}_]*(?:::[\p{L}\p{N}_]*)*/gu;

/** Whether a value is an expression: a text that starts with `$`. */
export function isExpression(value: Value): value is string {
  return typeof value === 'string' && value.startsWith('$');
}

/** Whether a value describes an object to make: a map with `_target_`. */
export function isComponent(value: Value): value is Dict {
  return value instanceof Dict && value.has('_target_');
}

/**
 * The ids that a text refers to: all in an expression, else the one that the text is from end to end.
 * `text` has `::` as separator.
 */
export function referencesIn(text: string): string[] {
  const found = text.match(referencePattern) ?? [];
  const counted = text.startsWith('$') ? found : found.filter((one) => one === text);
  return counted.map((one) => one.slice(1));
}

/** The children of a map or list with their ids. */
export function childrenOf(value: Value, id: string): { key: Value; id: string; value: Value }[] {
  const inner = (key: string) => (id === '' ? key : `${id}${separator}${key}`);
  if (Array.isArray(value)) {
    return value.map((item, i) => ({ key: BigInt(i), id: inner(String(i)), value: item }));
  }
  if (!(value instanceof Dict)) return [];
  return value.entries().map(([key, item]) => ({ key, id: inner(String(key)), value: item }));
}

/** The ids that have to be resolved before a value: references, and the expressions and components in it. */
export function needsOf(value: Value, id: string, needs = new Set<string>()): Set<string> {
  if (typeof value === 'string') for (const one of referencesIn(normalizeId(value))) needs.add(one);
  for (const child of childrenOf(value, id)) {
    if (isComponent(child.value) || isExpression(child.value)) needs.add(child.id);
    needsOf(child.value, child.id, needs);
  }
  return needs;
}
