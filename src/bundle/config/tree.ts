import { Refusal } from '../language/refusal.js';
import { Dict, repr, type Value } from '../language/values.js';

/** The separator of ids: `a::b`. `a#b` is the same. */
export const separator = '::';

/** An id or a text with `::` in place of each `#`. */
export function normalizeId(text: string): string {
  return text.replaceAll('#', separator);
}

/** The value at an id, where the empty id is the whole. Throws Refusal. */
export function valueAt(tree: Value, id: string): Value {
  let value = tree;
  for (const key of id === '' ? [] : id.split(separator)) value = child(value, key, id);
  return value;
}

function child(value: Value, key: string, id: string): Value {
  if (value instanceof Dict) {
    const found = value.get(key);
    if (found === undefined) throw new Refusal(`there is no "${key}" on the way to "${id}"`);
    return found;
  }
  if (Array.isArray(value)) {
    const found = value.at(indexOf(key, value, id));
    if (found === undefined) throw new Refusal(`the list on the way to "${id}" has no item ${key}`);
    return found;
  }
  throw new Refusal(`${repr(value).slice(0, 60)} on the way to "${id}" is neither a map nor a list`);
}

function indexOf(key: string, list: readonly Value[], id: string): number {
  if (!/^[-+]?\d+$/.test(key)) {
    throw new Refusal(
      `"${key}" in "${id}" is not a number, but it leads into a list of ${list.length} items`,
    );
  }
  return Number(key);
}

/** Whether there is a value at an id. */
export function hasValueAt(tree: Value, id: string): boolean {
  try {
    valueAt(tree, id);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

/** Sets a value. What holds it must be there. Throws Refusal. */
export function setValueAt(tree: Dict, id: string, value: Value): void {
  const keys = id.split(separator);
  const last = keys.pop() as string;
  const parent = valueAt(tree, keys.join(separator));
  if (parent instanceof Dict) {
    parent.set(last, value);
    return;
  }
  if (!Array.isArray(parent)) {
    throw new Refusal(
      `"${id}" cannot be set, for ${repr(parent).slice(0, 60)} is neither a map nor a list; macros and ` +
        'references are texts at this point',
    );
  }
  const index = indexOf(last, parent, id);
  if (index >= parent.length || index < -parent.length) {
    throw new Refusal(`"${id}" cannot be set, for the list has only ${parent.length} items`);
  }
  parent[index < 0 ? index + parent.length : index] = value;
}

/** Removes a value, which must be there. Throws Refusal. */
export function deleteValueAt(tree: Dict, id: string): void {
  const keys = id.split(separator);
  const last = keys.pop() as string;
  const parent = valueAt(tree, keys.join(separator));
  child(parent, last, id);
  if (parent instanceof Dict) parent.delete(last);
  else if (Array.isArray(parent)) parent.splice(indexOf(last, parent, id), 1);
}

/**
 * Sets what a key of a file or an override says: `a::b` sets, `+a` adds to a list or a map (as MONAI 1.4 and
 * later do), and `~a` removes.
 */
export function merge(tree: Dict, key: string, value: Value): void {
  const id = normalizeId(key.replace(/^[+~]/, ''));
  if (key.startsWith('~')) {
    deleteValueAt(tree, id);
    return;
  }
  if (!key.startsWith('+') || !hasValueAt(tree, id)) {
    setValueAt(tree, id, value);
    return;
  }
  const present = valueAt(tree, id);
  if (present instanceof Dict && value instanceof Dict) {
    for (const [name, item] of value.entries()) present.set(name, item);
  } else if (Array.isArray(present) && Array.isArray(value)) {
    present.push(...value);
  } else {
    throw new Refusal(
      `"${key}" adds to a list or a map, but ${repr(value).slice(0, 60)} does not fit what is there`,
    );
  }
}

/** A copy of maps and lists. */
export function copyTree(value: Value): Value {
  if (Array.isArray(value)) return value.map(copyTree);
  if (value instanceof Dict) return new Dict(value.entries().map(([key, item]) => [key, copyTree(item)]));
  return value;
}

/** Calls a function with every value below a value and its id. */
export function walkTree(value: Value, id: string, visit: (value: Value, id: string) => void): void {
  visit(value, id);
  const inner = (key: string) => (id === '' ? key : `${id}${separator}${key}`);
  if (Array.isArray(value)) {
    value.forEach((item, i) => {
      walkTree(item, inner(String(i)), visit);
    });
  } else if (value instanceof Dict) {
    for (const [key, item] of value.entries()) walkTree(item, inner(String(key)), visit);
  }
}
