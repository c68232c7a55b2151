import { Refusal } from '../language/refusal.js';
import { type Arguments, PyObject, repr, type Value } from '../language/values.js';

/** A data type of numpy or torch: `numpy.float32`. */
export class DataType extends PyObject {
  override readonly typeName = 'dtype';

  /** @param name The type with its module: `torch.float32`. */
  constructor(readonly name: string) {
    super();
  }

  override show(): string {
    return this.name;
  }

  override attribute(name: string): Value | undefined {
    return name === '__name__' || name === '__str__' ? this.name.split('.')[1] : undefined;
  }

  override equals(other: Value): boolean {
    return other instanceof DataType && other.name === this.name;
  }
}

/** `torch.device('cuda:0')`. */
export class Device extends PyObject {
  override readonly typeName = 'device';

  constructor(readonly text: string) {
    super();
  }

  override show(): string {
    return `device(${repr(this.text)})`;
  }

  override attribute(name: string): Value | undefined {
    if (name === '__str__') return this.text;
    if (name === 'type') return this.text.split(':')[0];
    return name === 'index' ? (this.text.includes(':') ? BigInt(this.text.split(':')[1]) : null) : undefined;
  }
}

/**
 * A function or class that voxstream knows by name, or that only Python has. It can be passed on, for what
 * it is passed to may know it. Calling it is refused.
 */
export class PythonName extends PyObject {
  override readonly typeName = 'type';

  /**
   * @param name The full name: `monai.data.list_data_collate`.
   * @param why What stands in the way of calling it, as a clause.
   */
  constructor(
    readonly name: string,
    private readonly why = 'is a function or class that only Python has',
  ) {
    super();
  }

  override show(): string {
    return this.name;
  }

  override attribute(name: string): Value | undefined {
    if (name === '__name__') return this.name.split('.').at(-1);
    return name.startsWith('_') ? undefined : new PythonName(`${this.name}.${name}`, this.why);
  }

  override call(_args: Arguments): Value {
    throw new Refusal(`it calls ${this.name}, which ${this.why}`);
  }

  override equals(other: Value): boolean {
    return other instanceof PythonName && other.name === this.name;
  }
}

/** `monai.handlers.from_engine(keys, first)`: what a handler takes from the engine's output. */
export class FromEngine extends PyObject {
  override readonly typeName = 'function';

  constructor(
    readonly keys: readonly string[],
    readonly first: boolean,
  ) {
    super();
  }

  override show(): string {
    return `monai.handlers.from_engine(${repr([...this.keys])}${this.first ? ', first=True' : ''})`;
  }
}
