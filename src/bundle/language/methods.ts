import { formatNew } from './format.js';
import { checkSize } from './limits.js';
import { type Given, NativeFunction } from './native.js';
import { Refusal } from './refusal.js';
import { Dict, equal, iterate, less, PySet, repr, str, Tuple, truth, type Value } from './values.js';

type Methods<T> = Readonly<Record<string, (self: T, given: Given) => Value>>;

/** The method of a text, list, tuple, dictionary or set, or undefined where it has none of that name. */
export function methodOf(of: Value, name: string): Value | undefined {
  if (typeof of === 'string') return bind(of, texts, 'str', name);
  if (Array.isArray(of)) return bind(of, lists, 'list', name);
  if (of instanceof Tuple) return bind(of.items as Value[], tuples, 'tuple', name);
  if (of instanceof Dict) return bind(of, dicts, 'dict', name);
  if (of instanceof PySet) return bind(of, sets, 'set', name);
  if (typeof of === 'number' && name === 'is_integer') {
    return new NativeFunction('float.is_integer', () => Number.isInteger(of));
  }
  return undefined;
}

function bind<T>(self: T, methods: Methods<T>, type: string, name: string): Value | undefined {
  if (!Object.hasOwn(methods, name)) return undefined;
  return new NativeFunction(`${type}.${name}`, (given) => methods[name](self, given));
}

const texts: Methods<string> = {
  upper: (self) => self.toUpperCase(),
  lower: (self) => self.toLowerCase(),
  casefold: (self) => self.toLowerCase(),
  capitalize: (self) => self.slice(0, 1).toUpperCase() + self.slice(1).toLowerCase(),
  title: (self) => self.replace(/[\p{L}]+/gu, (word) => word[0].toUpperCase() + word.slice(1).toLowerCase()),
  strip: (self, given) => strip(self, given, 'both'),
  lstrip: (self, given) => strip(self, given, 'start'),
  rstrip: (self, given) => strip(self, given, 'end'),
  split: (self, given) => split(self, given, false),
  rsplit: (self, given) => split(self, given, true),
  splitlines: (self) => self.replace(/\r\n|\r|\n$/g, (end) => (end === '\n' ? '' : '\n')).split('\n'),
  partition: (self, given) => partition(self, given.text('sep'), false),
  rpartition: (self, given) => partition(self, given.text('sep'), true),
  join: (self, given) => {
    const items = iterate(given.required('iterable')).map((item) => {
      if (typeof item !== 'string') throw new Refusal(`join needs texts, but got ${repr(item)}`);
      return item;
    });
    checkSize(items.reduce((sum, item) => sum + item.length + self.length, 0));
    return items.join(self);
  },
  replace: (self, given) => {
    const [from, to, count] = [given.text('old'), given.text('new'), given.optionalInt('count') ?? -1];
    const parts = self.split(from);
    checkSize(self.length + parts.length * to.length);
    if (count < 0) return parts.join(to);
    const head = parts.slice(0, count + 1).join(to);
    return parts.length > count + 1 ? [head, ...parts.slice(count + 1)].join(from) : head;
  },
  startswith: (self, given) => affixes(given.required('prefix')).some((one) => self.startsWith(one)),
  endswith: (self, given) => affixes(given.required('suffix')).some((one) => self.endsWith(one)),
  removeprefix: (self, given) => {
    const prefix = given.text('prefix');
    return self.startsWith(prefix) ? self.slice(prefix.length) : self;
  },
  removesuffix: (self, given) => {
    const suffix = given.text('suffix');
    return suffix && self.endsWith(suffix) ? self.slice(0, -suffix.length) : self;
  },
  find: (self, given) => BigInt(self.indexOf(given.text('sub'))),
  rfind: (self, given) => BigInt(self.lastIndexOf(given.text('sub'))),
  index: (self, given) => {
    const at = self.indexOf(given.text('sub'));
    if (at < 0) throw new Refusal('a text does not have the part that index looks for');
    return BigInt(at);
  },
  count: (self, given) => BigInt(self.split(given.text('sub')).length - 1),
  zfill: (self, given) => {
    const width = given.int('width');
    checkSize(width);
    const sign = /^[-+]/.exec(self)?.[0] ?? '';
    return sign + self.slice(sign.length).padStart(width - sign.length, '0');
  },
  ljust: (self, given) => padded(given, (width, fill) => self.padEnd(width, fill)),
  rjust: (self, given) => padded(given, (width, fill) => self.padStart(width, fill)),
  isdigit: (self) => /^\d+$/.test(self),
  isnumeric: (self) => /^\d+$/.test(self),
  isalpha: (self) => /^\p{L}+$/u.test(self),
  isalnum: (self) => /^[\p{L}\p{N}]+$/u.test(self),
  isspace: (self) => /^\s+$/.test(self),
  isupper: (self) => /\p{L}/u.test(self) && self === self.toUpperCase(),
  islower: (self) => /\p{L}/u.test(self) && self === self.toLowerCase(),
  format: (self, given) => {
    const positional = given.rest();
    const named = new Map(given.restNamed());
    return formatNew(self, (field, automatic) => {
      const value = /^\d*$/.test(field)
        ? positional[field === '' ? automatic : Number(field)]
        : named.get(field);
      if (value === undefined) throw new Refusal(`the format "${self}" has no value for {${field}}`);
      return value;
    });
  },
};

function affixes(value: Value): string[] {
  return (value instanceof Tuple ? value.items : [value]).map(str);
}

function padded(given: Given, pad: (width: number, fill: string) => string): string {
  const width = given.int('width');
  checkSize(width);
  return pad(width, str(given.optional('fillchar') ?? ' '));
}

function strip(self: string, given: Given, side: 'both' | 'start' | 'end'): string {
  const chars = given.optional('chars');
  const drop = (char: string) => (typeof chars === 'string' ? chars.includes(char) : /\s/.test(char));
  let [start, end] = [0, self.length];
  if (side !== 'end') while (start < end && drop(self[start])) start++;
  if (side !== 'start') while (end > start && drop(self[end - 1])) end--;
  return self.slice(start, end);
}

function split(self: string, given: Given, fromRight: boolean): Value[] {
  const separator = given.optional('sep') ?? null;
  const most = given.optionalInt('maxsplit') ?? -1;
  if (separator === '') throw new Refusal('split got an empty separator');
  if (separator === null && most < 0) return self.trim() === '' ? [] : self.trim().split(/\s+/);
  const text = separator === null ? self.trim() : self;
  const parts = separator === null ? text.split(/\s+/) : text.split(str(separator));
  if (most < 0 || parts.length <= most + 1) return parts;
  const mark = separator === null ? ' ' : str(separator);
  return fromRight
    ? [parts.slice(0, parts.length - most).join(mark), ...parts.slice(parts.length - most)]
    : [...parts.slice(0, most), parts.slice(most).join(mark)];
}

function partition(self: string, separator: string, last: boolean): Value {
  const at = last ? self.lastIndexOf(separator) : self.indexOf(separator);
  if (at < 0) return new Tuple(last ? ['', '', self] : [self, '', '']);
  return new Tuple([self.slice(0, at), separator, self.slice(at + separator.length)]);
}

function indexIn(items: readonly Value[], item: Value): bigint {
  const at = items.findIndex((one) => equal(one, item));
  if (at < 0) throw new Refusal(`${repr(item)} is not in the list`);
  return BigInt(at);
}

const tuples: Methods<Value[]> = {
  index: (self, given) => indexIn(self, given.required('value')),
  count: (self, given) => {
    const value = given.required('value');
    return BigInt(self.filter((item) => equal(item, value)).length);
  },
};

const lists: Methods<Value[]> = {
  ...tuples,
  append: (self, given) => {
    checkSize(self.push(given.required('object')));
    return null;
  },
  extend: (self, given) => {
    checkSize(self.push(...iterate(given.required('iterable'))));
    return null;
  },
  insert: (self, given) => {
    self.splice(given.int('index'), 0, given.required('object'));
    return null;
  },
  pop: (self, given) => {
    const [item] = self.splice(given.optionalInt('index') ?? -1, 1);
    if (item === undefined) throw new Refusal('pop found no item at that index');
    return item;
  },
  remove: (self, given) => {
    self.splice(Number(indexIn(self, given.required('value'))), 1);
    return null;
  },
  reverse: (self) => {
    self.reverse();
    return null;
  },
  sort: (self, given) => {
    const sorted = sortValues(self, given.named('key') ?? null, given.named('reverse') ?? false);
    self.splice(0, self.length, ...sorted);
    return null;
  },
  copy: (self) => [...self],
  clear: (self) => {
    self.length = 0;
    return null;
  },
};

/** Sorts as `sorted` does: stable, by a key function where there is one. */
export function sortValues(items: readonly Value[], key: Value, reverse: Value): Value[] {
  const call = (item: Value): Value => {
    if (key === null) return item;
    if (typeof key === 'object' && 'call' in key) return key.call({ positional: [item], named: new Map() });
    throw new Refusal(`the key of a sort must be a function, but it is ${repr(key)}`);
  };
  const direction = truth(reverse) ? -1 : 1;
  return items
    .map((item) => ({ item, by: call(item) }))
    .sort((a, b) => direction * (less(a.by, b.by) ? -1 : less(b.by, a.by) ? 1 : 0))
    .map(({ item }) => item);
}

const dicts: Methods<Dict> = {
  keys: (self) => self.keys(),
  values: (self) => self.values(),
  items: (self) => self.entries().map((entry) => new Tuple(entry)),
  get: (self, given) => {
    const [key, otherwise] = [given.required('key'), given.optional('default') ?? null];
    return self.get(key) ?? otherwise;
  },
  copy: (self) => new Dict(self.entries()),
  clear: (self) => {
    self.clear();
    return null;
  },
  update: (self, given) => {
    const other = given.optional('other');
    if (other instanceof Dict) for (const [key, value] of other.entries()) self.set(key, value);
    else if (other !== undefined) throw new Refusal(`update needs a dictionary, but got ${repr(other)}`);
    for (const [key, value] of given.restNamed()) self.set(key, value);
    return null;
  },
  pop: (self, given) => {
    const [key, otherwise] = [given.required('key'), given.optional('default')];
    const value = self.get(key) ?? otherwise;
    if (value === undefined) throw new Refusal(`the dictionary has no key ${repr(key)}`);
    self.delete(key);
    return value;
  },
  setdefault: (self, given) => {
    const [key, otherwise] = [given.required('key'), given.optional('default') ?? null];
    const value = self.get(key) ?? otherwise;
    self.set(key, value);
    return value;
  },
};

const sets: Methods<PySet> = {
  add: (self, given) => {
    self.add(given.required('item'));
    return null;
  },
  discard: (self, given) => {
    self.delete(given.required('item'));
    return null;
  },
  copy: (self) => new PySet(self.items()),
  union: (self, given) => new PySet([...self.items(), ...given.rest().flatMap((one) => iterate(one))]),
  intersection: (self, given) => {
    const others = given.rest().map((one) => new PySet(iterate(one)));
    return new PySet(self.items().filter((item) => others.every((other) => other.has(item))));
  },
  difference: (self, given) => {
    const others = given.rest().map((one) => new PySet(iterate(one)));
    return new PySet(self.items().filter((item) => !others.some((other) => other.has(item))));
  },
  issubset: (self, given) => {
    const other = new PySet(iterate(given.required('other')));
    return self.items().every((item) => other.has(item));
  },
  issuperset: (self, given) => iterate(given.required('other')).every((item) => self.has(item)),
};
