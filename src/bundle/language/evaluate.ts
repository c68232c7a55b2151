import { binary, compare, unary } from './binary.js';
import { formatValue } from './format.js';
import { checkSize, mostDepth, mostSteps } from './limits.js';
import { methodOf } from './methods.js';
import type { Argument, Node, Parameter, Target, TextPart } from './nodes.js';
import { Refusal } from './refusal.js';
import {
  type Arguments,
  asInt,
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

/** What an expression may use. */
export interface World {
  /** The value of a name: a function of Python or a module. */
  readonly name: (name: string) => Value | undefined;
  /** The value of a reference (`@id`). */
  readonly reference: (id: string) => Value;
}

/** The value of an expression. Throws Refusal. */
export function evaluate(node: Node, world: World): Value {
  return new Evaluation(world).value(node, new Map());
}

type Scope = ReadonlyMap<string, Value>;

class Evaluation {
  readonly #world: World;
  #steps = 0;
  #depth = 0;

  constructor(world: World) {
    this.#world = world;
  }

  value(node: Node, scope: Scope): Value {
    if (++this.#steps > mostSteps) throw new Refusal(`it takes more than ${mostSteps} steps`);
    if (++this.#depth > mostDepth) throw new Refusal(`it is nested more than ${mostDepth} levels deep`);
    try {
      return this.#value(node, scope);
    } finally {
      this.#depth--;
    }
  }

  #value(node: Node, scope: Scope): Value {
    switch (node.kind) {
      case 'constant':
        return node.value;
      case 'formatted':
        return this.#text(node.parts, scope);
      case 'name':
        return this.#name(node.name, scope);
      case 'reference':
        return this.#world.reference(node.id);
      case 'unary':
        return node.operator === 'not'
          ? !truth(this.value(node.value, scope))
          : unary(node.operator, this.value(node.value, scope));
      case 'binary':
        return binary(node.operator, this.value(node.left, scope), this.value(node.right, scope));
      case 'compare':
        return this.#compare(node, scope);
      case 'logic': {
        const left = this.value(node.left, scope);
        return truth(left) === (node.operator === 'or') ? left : this.value(node.right, scope);
      }
      case 'condition':
        return this.value(truth(this.value(node.test, scope)) ? node.then : node.otherwise, scope);
      case 'list':
        return this.#items(node.items, scope);
      case 'tuple':
        return new Tuple(this.#items(node.items, scope));
      case 'set':
        return new PySet(this.#items(node.items, scope));
      case 'dict':
        return this.#dict(node.items, scope);
      case 'comprehension':
        return this.#comprehension(node, scope);
      case 'attribute':
        return attribute(this.value(node.of, scope), node.name);
      case 'item':
        return this.#item(this.value(node.of, scope), node.key, scope);
      case 'slice':
        throw new Refusal('a slice such as 1:2 belongs between square brackets');
      case 'call':
        return this.#call(node, scope);
      case 'lambda':
        return new Lambda(node.text, node.parameters, this.#initial(node.parameters, scope), (names) =>
          this.value(node.body, new Map([...scope, ...names])),
        );
    }
  }

  #name(name: string, scope: Scope): Value {
    const value = scope.get(name) ?? (scope.has(name) ? null : this.#world.name(name));
    if (value === undefined) throw new Refusal(`it uses the name "${name}", which is not known`);
    return value;
  }

  #text(parts: readonly TextPart[], scope: Scope): string {
    const texts = parts.map((part) => {
      if (typeof part === 'string') return part;
      const value = this.value(part.value, scope);
      const shown = part.conversion ? (part.conversion === 's' ? str(value) : repr(value)) : value;
      return formatValue(shown, this.#text(part.format, scope));
    });
    checkSize(texts.reduce((sum, text) => sum + text.length, 0));
    return texts.join('');
  }

  #compare(node: Node & { kind: 'compare' }, scope: Scope): boolean | Value {
    let left = this.value(node.first, scope);
    for (const { operator, value } of node.rest) {
      const right = this.value(value, scope);
      if (!compare(operator, left, right)) return false;
      left = right;
    }
    return true;
  }

  #items(items: readonly { spread: boolean; value: Node }[], scope: Scope): Value[] {
    const values = items.flatMap(({ spread, value }) => {
      const item = this.value(value, scope);
      return spread ? iterate(item) : [item];
    });
    checkSize(values.length);
    return values;
  }

  #dict(items: readonly { key?: Node; value: Node }[], scope: Scope): Dict {
    const dict = new Dict();
    for (const { key, value } of items) {
      if (key) {
        dict.set(this.value(key, scope), this.value(value, scope));
        continue;
      }
      const spread = this.value(value, scope);
      if (!(spread instanceof Dict)) throw new Refusal(`** needs a dictionary, but got ${repr(spread)}`);
      for (const [name, item] of spread.entries()) dict.set(name, item);
    }
    return dict;
  }

  #comprehension(node: Node & { kind: 'comprehension' }, scope: Scope): Value {
    const keys: Value[] = [];
    const values: Value[] = [];
    const run = (depth: number, inner: Scope): void => {
      if (depth === node.loops.length) {
        if (node.key) keys.push(this.value(node.key, inner));
        values.push(this.value(node.value, inner));
        return;
      }
      const { target, over, conditions } = node.loops[depth];
      for (const item of iterate(this.value(over, inner))) {
        const next = new Map(inner);
        assign(target, item, next);
        if (conditions.every((condition) => truth(this.value(condition, next)))) run(depth + 1, next);
      }
    };
    run(0, scope);
    checkSize(values.length);
    if (node.makes === 'dict') return new Dict(keys.map((key, i) => [key, values[i]]));
    return node.makes === 'set' ? new PySet(values) : values;
  }

  #item(of: Value, key: Node, scope: Scope): Value {
    if (key.kind === 'slice') {
      const bound = (node: Node | undefined) => (node ? this.value(node, scope) : null);
      return sliceOf(of, bound(key.from), bound(key.to), bound(key.step));
    }
    return itemOf(of, this.value(key, scope));
  }

  #call(node: Node & { kind: 'call' }, scope: Scope): Value {
    const callee = this.value(node.of, scope);
    if (!(callee instanceof PyObject)) throw new Refusal(`${repr(callee)} cannot be called`);
    return callee.call(this.#arguments(node.args, scope));
  }

  #arguments(args: readonly Argument[], scope: Scope): Arguments {
    const positional: Value[] = [];
    const named = new Map<string, Value>();
    for (const { name, spread, value } of args) {
      const given = this.value(value, scope);
      if (name !== undefined) named.set(name, given);
      else if (spread === 0) positional.push(given);
      else if (spread === 1) positional.push(...iterate(given));
      else if (given instanceof Dict) for (const [key, item] of given.entries()) named.set(str(key), item);
      else throw new Refusal(`** needs a dictionary, but got ${repr(given)}`);
    }
    return { positional, named };
  }

  #initial(parameters: readonly Parameter[], scope: Scope): ReadonlyMap<string, Value> {
    return new Map(
      parameters.flatMap(({ name, initial }) =>
        initial ? [[name, this.value(initial, scope)] as const] : [],
      ),
    );
  }
}

/** A lambda. `text` is how it is written, which is how known forms are recognized. */
export class Lambda extends PyObject {
  override readonly typeName = 'function';

  constructor(
    readonly text: string,
    private readonly parameters: readonly Parameter[],
    private readonly initial: ReadonlyMap<string, Value>,
    private readonly run: (names: ReadonlyMap<string, Value>) => Value,
  ) {
    super();
  }

  override show(): string {
    return this.text;
  }

  override call({ positional, named }: Arguments): Value {
    const names = new Map(this.initial);
    if (positional.length > this.parameters.length)
      throw new Refusal(`"${this.text}" got too many arguments`);
    for (const [i, value] of positional.entries()) names.set(this.parameters[i].name, value);
    for (const [name, value] of named) {
      if (!this.parameters.some((parameter) => parameter.name === name)) {
        throw new Refusal(`"${this.text}" has no parameter ${name}`);
      }
      names.set(name, value);
    }
    const missing = this.parameters.find(({ name }) => !names.has(name));
    if (missing) throw new Refusal(`"${this.text}" got no value for ${missing.name}`);
    return this.run(names);
  }
}

function assign(target: Target, value: Value, scope: Map<string, Value>): void {
  if (typeof target === 'string') {
    scope.set(target, value);
    return;
  }
  const items = iterate(value);
  if (items.length !== target.length) {
    throw new Refusal(`a loop has ${target.length} names for ${items.length} values`);
  }
  target.forEach((one, i) => {
    assign(one, items[i], scope);
  });
}

/** The value of `object.name`. */
export function attribute(of: Value, name: string): Value {
  if (name.startsWith('__') && !(name === '__name__' && of instanceof PyObject)) {
    throw new Refusal(
      `it uses the attribute ${name}, and Python's inner names are not open to configurations`,
    );
  }
  const found = of instanceof PyObject ? of.attribute(name) : methodOf(of, name);
  if (found !== undefined) return found;
  const what = of instanceof PyObject ? of.show() : `a ${typeName(of)}`;
  throw new Refusal(`${what} has no attribute "${name}" that voxstream knows`);
}

/** The value of `object[key]`. */
export function itemOf(of: Value, key: Value): Value {
  if (of instanceof PyObject) return of.item(key);
  if (of instanceof Dict) {
    const value = of.get(key);
    if (value === undefined) throw new Refusal(`the dictionary has no key ${repr(key)}`);
    return value;
  }
  const items = of instanceof Tuple ? of.items : typeof of === 'string' ? [...of] : of;
  if (!Array.isArray(items)) throw new Refusal(`${repr(of)} has no items`);
  const index = asInt(key);
  if (index === undefined) throw new Refusal(`an index must be an integer, but it is ${repr(key)}`);
  const item = items.at(Number(index));
  if (item === undefined) {
    throw new Refusal(`the index ${index} is out of range: there are ${items.length} items`);
  }
  return item;
}

/** Python's `object[from:to:step]`. */
export function sliceOf(of: Value, from: Value, to: Value, step: Value): Value {
  if (of instanceof PyObject)
    return of.iterate().length === 0 ? [] : sliceOf([...of.iterate()], from, to, step);
  const items = typeof of === 'string' ? [...of] : of instanceof Tuple ? of.items : of;
  if (!Array.isArray(items)) throw new Refusal(`${repr(of)} cannot be sliced`);
  const picked = sliceIndices(items.length, from, to, step).map((index) => items[index]);
  if (typeof of === 'string') return picked.join('');
  return of instanceof Tuple ? new Tuple(picked) : picked;
}

function sliceIndices(length: number, from: Value, to: Value, step: Value): number[] {
  const bound = (value: Value): number | undefined => {
    if (value === null) return undefined;
    const int = asInt(value);
    if (int === undefined) throw new Refusal(`a slice needs integers, but got ${repr(value)}`);
    return Number(int);
  };
  const stride = bound(step) ?? 1;
  if (stride === 0) throw new Refusal('a slice has the step 0');
  const [low, high] = stride > 0 ? [0, length] : [-1, length - 1];
  const clamp = (value: number) => Math.min(high, Math.max(low, value < 0 ? value + length : value));
  const [given, end] = [bound(from), bound(to)];
  const start = given === undefined ? (stride > 0 ? low : high) : clamp(given);
  const stop = end === undefined ? (stride > 0 ? high : low) : clamp(end);
  const indices: number[] = [];
  for (let index = start; stride > 0 ? index < stop : index > stop; index += stride) indices.push(index);
  return indices;
}
