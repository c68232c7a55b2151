import { PyObject, type Value } from '../language/values.js';
import { PythonName } from './symbols.js';

/** A module whose members are made when asked for. */
export type Members = Readonly<Record<string, Value | (() => Value)>>;

/** A module of Python, as far as voxstream knows it. */
export class Module extends PyObject {
  override readonly typeName = 'module';

  /**
   * @param open Whether members that are not in the table can be passed on by name. Calling them is refused.
   */
  constructor(
    readonly name: string,
    private readonly members: Members,
    private readonly open = false,
  ) {
    super();
  }

  override show(): string {
    return this.name;
  }

  override attribute(name: string): Value | undefined {
    if (Object.hasOwn(this.members, name)) {
      const member = this.members[name];
      return typeof member === 'function' ? member() : member;
    }
    return this.open && !name.startsWith('_') ? new PythonName(`${this.name}.${name}`) : undefined;
  }
}
