import { show } from '../../errors.js';
import { Component } from '../config/component.js';
import { toPlain } from '../config/plain.js';
import { asInt, asNumber, iterate, PyObject, repr, Tuple, type Value } from '../language/values.js';
import { DataType, FromEngine } from '../library/symbols.js';
import type { Problems } from './problems.js';

/**
 * The arguments of a component. Each is asked for once; what nobody asked for is a problem, so that no
 * argument is ignored in silence. A `None` counts as not given.
 */
export class Args {
  readonly #asked = new Set<string>();

  constructor(
    readonly component: Component,
    readonly problems: Problems,
  ) {}

  get id(): string {
    return this.component.id;
  }

  /** The argument as it is, or undefined. */
  value(name: string): Value | undefined {
    this.#asked.add(name);
    return this.component.args.get(name) ?? undefined;
  }

  /** Adds a problem with this component. */
  problem(clause: string): void {
    this.problems.add(this.id, `(${this.component.name}) ${clause}`);
  }

  /** Arguments that change nothing here. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#asked.add(name);
  }

  /** Arguments that are known only with these values. */
  supports(name: string, ...accepted: readonly unknown[]): void {
    const value = this.value(name);
    if (value === undefined) return;
    const plain = toPlain(value);
    if (!accepted.some((one) => JSON.stringify(one) === JSON.stringify(plain))) {
      this.problem(`has ${name} ${show(plain)}, which is not supported`);
    }
  }

  flag(name: string, otherwise: boolean): boolean {
    return this.#read(name, otherwise, 'true or false', asFlag);
  }

  number<T extends number | undefined>(name: string, otherwise: T): number | T {
    return this.#read<number | T>(name, otherwise, 'a number', asNumber);
  }

  text<T extends string | undefined>(name: string, otherwise: T): string | T {
    return this.#read<string | T>(name, otherwise, 'a text', (value) =>
      typeof value === 'string' ? value : undefined,
    );
  }

  texts(name: string, otherwise: readonly string[]): readonly string[] {
    return this.#read(name, otherwise, 'a text or a list of texts', (value) => {
      const items = listOf(value) ?? [value];
      return items.every((item): item is string => typeof item === 'string') ? items : undefined;
    });
  }

  /** A number or a list of numbers, as plain data. */
  numbers(name: string): number | number[] | undefined {
    return this.#read<number | number[] | undefined>(
      name,
      undefined,
      'a number or a list of numbers',
      (value) => {
        const items = (listOf(value) ?? []).map(asNumber);
        if (asNumber(value) !== undefined) return asNumber(value);
        return listOf(value) && items.every((item): item is number => item !== undefined) ? items : undefined;
      },
    );
  }

  /** Whole numbers: one or a list. */
  integers(name: string): readonly number[] | undefined {
    return this.#read<readonly number[] | undefined>(
      name,
      undefined,
      'a whole number or a list of them',
      (value) => {
        const items = (listOf(value) ?? [value]).map(asInt);
        return items.every((item): item is bigint => item !== undefined) ? items.map(Number) : undefined;
      },
    );
  }

  /** A component. */
  made(name: string): Component | undefined {
    return this.#read<Component | undefined>(name, undefined, 'an object with _target_', (value) =>
      value instanceof Component ? value : undefined,
    );
  }

  /** A list of components; what is None is left out. */
  all(name: string): readonly Component[] {
    return this.#read<readonly Component[]>(name, [], 'a list of objects with _target_', (value) => {
      const items = (listOf(value) ?? [value]).filter((item) => item !== null);
      return items.every((item): item is Component => item instanceof Component) ? items : undefined;
    });
  }

  /** The keys of the output that a metric or handler takes from the engine. */
  outputKeys(name: string): readonly string[] | undefined {
    const value = this.value(name);
    return value instanceof FromEngine ? value.keys : undefined;
  }

  /** The type of voxels: `$numpy.float32`, `"uint8"`, `np.uint8` as a text. Undefined if not given. */
  voxelType(name: string): string | undefined {
    return this.#read<string | undefined>(name, undefined, 'the name of a data type', voxelType);
  }

  /** One value per key: the argument is a value for all, or a list with one for each. */
  perKey<T>(
    name: string,
    keys: readonly string[],
    otherwise: T,
    what: string,
    read: (value: Value) => T | undefined,
  ): T[] {
    const given = this.value(name);
    if (given === undefined) return keys.map(() => otherwise);
    const whole = read(given);
    const list = listOf(given);
    if (
      whole !== undefined &&
      !(list && list.length === keys.length && list.every((item) => read(item) !== undefined))
    ) {
      return keys.map(() => whole);
    }
    if (list && list.length !== keys.length && list.length > 0) {
      this.problem(`has ${list.length} values of ${name} for ${keys.length} keys`);
      return keys.map(() => otherwise);
    }
    return keys.map((_, i) => {
      const item = list?.[i];
      if (item === null) return otherwise;
      const value = item === undefined ? undefined : read(item);
      if (value === undefined) this.problem(`has ${name} ${shown(given)}, but it must be ${what}`);
      return value ?? otherwise;
    });
  }

  /** Adds a problem for every argument that was not asked for. */
  checkAllAsked(): void {
    for (const [name, value] of this.component.args) {
      if (!this.#asked.has(name) && value !== null) {
        this.problem(`has the argument ${name} (${shown(value)}), which is not supported`);
      }
    }
  }

  #read<T>(name: string, otherwise: T, what: string, read: (value: Value) => T | undefined): T {
    const value = this.value(name);
    if (value === undefined) return otherwise;
    const found = read(value);
    if (found === undefined) this.problem(`has ${name} ${shown(value)}, but it must be ${what}`);
    return found ?? otherwise;
  }
}

/** The items of a list or tuple. */
export function listOf(value: Value): readonly Value[] | undefined {
  return Array.isArray(value) || value instanceof Tuple ? iterate(value) : undefined;
}

/** A bool; 0 and 1 count, as in Python. */
export function asFlag(value: Value): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (value === 'True' || value === 'true') return true;
  return typeof value === 'bigint' ? value !== 0n : undefined;
}

function voxelType(value: Value): string | undefined {
  const name = value instanceof DataType ? value.name : typeof value === 'string' ? value : undefined;
  const short = name?.split('.').at(-1);
  const known = ['float32', 'float64', 'int8', 'int16', 'int32', 'uint8', 'uint16', 'uint32'];
  if (short === 'float' || short === 'single') return 'float32';
  if (short === 'double') return 'float64';
  if (short === 'int') return 'int32';
  return short !== undefined && known.includes(short) ? short : undefined;
}

function shown(value: Value): string {
  const text = value instanceof PyObject ? value.show() : repr(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
