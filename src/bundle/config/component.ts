import { NativeFunction } from '../language/native.js';
import { Refusal } from '../language/refusal.js';
import { type Arguments, Dict, PyObject, repr, type Value } from '../language/values.js';

/** Keys of a component that are not arguments. */
export const componentKeys: readonly string[] = ['_target_', '_disabled_', '_requires_', '_desc_', '_mode_'];

/** Methods that give the object itself, for it stays what it is on any device. */
const selves = ['to', 'cuda', 'cpu', 'eval', 'train', 'half', 'float'];

/**
 * An object that a configuration asks for with `_target_`. It is not made here: it is a description, which
 * is translated to operators and models of voxstream.
 */
export class Component extends PyObject {
  override readonly typeName = 'component';

  /**
   * @param target The class or function: `monai.transforms.Spacingd` or `Spacingd`.
   * @param id Where the component stands.
   */
  constructor(
    readonly target: string,
    readonly args: ReadonlyMap<string, Value>,
    readonly id: string,
    readonly disabled = false,
    readonly mode = 'default',
  ) {
    super();
  }

  /** The class without its module. */
  get name(): string {
    return this.target.split('.').at(-1) as string;
  }

  override show(): string {
    return `the ${this.name} at ${this.id}`;
  }

  override attribute(name: string): Value | undefined {
    if (name.startsWith('_')) return undefined;
    if (selves.includes(name)) {
      return new NativeFunction(`${this.name}.${name}`, (given) => {
        given.rest();
        given.restNamed();
        return this;
      });
    }
    return new Later(this, `.${name}`);
  }

  override call(args: Arguments): Value {
    return new Later(this, '', args);
  }
}

/**
 * What is asked of a component: `trainer.run()`, `network.parameters()`, `loader(evaluator)`. It has no value
 * before the component is there.
 */
export class Later extends PyObject {
  override readonly typeName = 'component';

  /**
   * @param of The component.
   * @param path What is asked of it: `.run`, `.state.metrics`.
   * @param args The arguments of the call, if it is one.
   */
  constructor(
    readonly of: Component,
    readonly path: string,
    readonly args?: Arguments,
  ) {
    super();
  }

  override show(): string {
    return `${this.of.show()}${this.path}`;
  }

  override attribute(name: string): Value | undefined {
    return name.startsWith('_')
      ? undefined
      : new Later(this.of, `${this.path}${this.args ? '()' : ''}.${name}`);
  }

  override call(args: Arguments): Value {
    return new Later(this.of, this.path, args);
  }

  override item(key: Value): Value {
    return new Later(this.of, `${this.path}[${repr(key)}]`);
  }

  override binary(operator: string): Value | undefined {
    throw new Refusal(`${operator} needs the value of ${this.show()}, which is not there before the run`);
  }
}

/** A component as a dictionary again, with its target. */
export function asDict(component: Component): Dict {
  const disabled = component.disabled ? [['_disabled_', true] as const] : [];
  const mode = component.mode === 'default' ? [] : [['_mode_', component.mode] as const];
  return new Dict([['_target_', component.target], ...disabled, ...mode, ...component.args]);
}
