import { Refusal } from '../language/refusal.js';
import { Dict, type Value } from '../language/values.js';
import { copyTree, normalizeId, separator, valueAt } from './tree.js';

/** Macros copy what is there. A few could copy copies of copies. */
const mostCopied = 500_000;

/**
 * Replaces macros (`%id`, `%file.json::id`) by a copy of what they name, and relative ids (`@#a`, `@##a`) by
 * absolute ones, in place.
 *
 * As in MONAI, this happens in the order of the keys, once. So a macro that names a later macro becomes the
 * text of that macro.
 *
 * @param load Reads another configuration file.
 * @throws Refusal
 */
export function replaceMacros(tree: Dict, load: (file: string) => Value): void {
  let copied = 0;
  const copy = (value: Value): Value => {
    const count = (one: Value): number =>
      1 +
      (Array.isArray(one) ? one : one instanceof Dict ? one.values() : []).reduce(
        (sum: number, item) => sum + count(item),
        0,
      );
    copied += count(value);
    if (copied > mostCopied) throw new Refusal(`macros (%) copy more than ${mostCopied} values`);
    return copyTree(value);
  };
  const replace = (value: Value, id: string): Value => {
    const inner = (key: string) => (id === '' ? key : `${id}${separator}${key}`);
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) value[i] = replace(value[i], inner(String(i)));
    } else if (value instanceof Dict) {
      for (const [key, item] of value.entries()) value.set(key, replace(item, inner(String(key))));
    }
    if (typeof value !== 'string') return value;
    const text = absoluteIds(value, id);
    if (!text.startsWith('%')) return text;
    const [file, within] = splitFile(text.slice(1));
    try {
      return copy(valueAt(file === '' ? tree : load(file), within));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      throw new Refusal(`the macro "${value}" at ${id} cannot be replaced: ${error.message}`);
    }
  };
  replace(tree, '');
}

/** Splits `file.json::id` into its file, which may be empty, and its id. */
function splitFile(text: string): readonly [file: string, id: string] {
  const found = /^(.*\.(?:json|ya?ml))(?:::(.*))?$/is.exec(text);
  return found ? [found[1], found[2] ?? ''] : ['', text];
}

/** Replaces relative ids in a text: `@::a` at `x::y` is `@x::a`, and `@::::a` is `@a`. */
function absoluteIds(text: string, id: string): string {
  const normal = normalizeId(text);
  const prefixes = [...new Set(normal.match(/[@%]::+/g))].sort().reverse();
  const keys = id.split(separator);
  return prefixes.reduce((value, prefix) => {
    const levels = prefix.split(separator).length - 1;
    if (levels > keys.length) {
      throw new Refusal(`the relative id in "${text}" at ${id} leads out of the configuration`);
    }
    const parents = keys.slice(0, -levels);
    return value.replaceAll(prefix, prefix[0] + parents.map((key) => `${key}${separator}`).join(''));
  }, normal);
}
