import { Refusal } from './refusal.js';
import { type Arguments, asInt, PyObject, repr, type Value } from './values.js';

/** A function of Python that voxstream provides. */
export class NativeFunction extends PyObject {
  override readonly typeName = 'function';

  constructor(
    readonly name: string,
    private readonly run: (given: Given) => Value,
  ) {
    super();
  }

  override show(): string {
    return this.name;
  }

  override attribute(name: string): Value | undefined {
    return name === '__name__' ? this.name.split('.').at(-1) : undefined;
  }

  override call(args: Arguments): Value {
    const given = new Given(this.name, args);
    const result = this.run(given);
    given.checkAllUsed();
    return result;
  }
}

/** The arguments of a call of a native function. What the function does not ask for is refused. */
export class Given {
  readonly #used = new Set<string>();
  #positional = 0;

  constructor(
    readonly name: string,
    readonly args: Arguments,
  ) {}

  /** The argument at a position or with a name, or undefined. Ask in the order of the positions. */
  optional(name: string): Value | undefined {
    if (this.args.named.has(name)) {
      this.#used.add(name);
      return this.args.named.get(name);
    }
    return this.#positional < this.args.positional.length
      ? this.args.positional[this.#positional++]
      : undefined;
  }

  /** An argument that has only a name. */
  named(name: string): Value | undefined {
    this.#used.add(name);
    return this.args.named.get(name);
  }

  required(name: string): Value {
    const value = this.optional(name);
    if (value === undefined) throw new Refusal(`${this.name} needs the argument ${name}`);
    return value;
  }

  text(name: string): string {
    const value = this.required(name);
    if (typeof value !== 'string') throw new Refusal(`${this.name} needs a text, but got ${repr(value)}`);
    return value;
  }

  int(name: string): number {
    const value = asInt(this.required(name));
    if (value === undefined) throw new Refusal(`${this.name} needs an integer for ${name}`);
    return Number(value);
  }

  optionalInt(name: string): number | undefined {
    const value = this.optional(name);
    if (value === undefined || value === null) return undefined;
    const int = asInt(value);
    if (int === undefined)
      throw new Refusal(`${this.name} needs an integer for ${name}, but got ${repr(value)}`);
    return Number(int);
  }

  /** All positional arguments that are left. */
  rest(): readonly Value[] {
    const rest = this.args.positional.slice(this.#positional);
    this.#positional = this.args.positional.length;
    return rest;
  }

  /** All arguments with a name that are left. */
  restNamed(): [string, Value][] {
    const rest = [...this.args.named].filter(([name]) => !this.#used.has(name));
    for (const [name] of rest) this.#used.add(name);
    return rest;
  }

  checkAllUsed(): void {
    const unknown = [...this.args.named.keys()].find((name) => !this.#used.has(name));
    if (unknown !== undefined)
      throw new Refusal(`${this.name} has no argument "${unknown}" that voxstream knows`);
    if (this.#positional < this.args.positional.length) {
      throw new Refusal(`${this.name} got ${this.args.positional.length} arguments, which are too many`);
    }
  }
}

/** Makes the members of a module from functions. */
export function functions(
  module: string,
  table: Readonly<Record<string, (given: Given) => Value>>,
): Record<string, NativeFunction> {
  return Object.fromEntries(
    Object.entries(table).map(([name, run]) => [
      name,
      new NativeFunction(module ? `${module}.${name}` : name, run),
    ]),
  );
}
