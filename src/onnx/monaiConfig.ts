import { ModelError, show, unknownName } from '../errors.js';

/** A map of a JSON or YAML file. */
export type Tree = Readonly<Record<string, unknown>>;

/** Keys that MONAI's own parser takes and the class does not get. */
const parserKeys = ['_target_', '_desc_', '_requires_', '_disabled_', '_mode_'];

/** References to references could make a small file cost any amount of work. */
const mostValues = 100_000;

/** Classes of parts of networks. They are data: their parameters, and the class as `type`. */
const networkParts = ['TopologyInstance', 'SegResNetDS2', 'ClassMappingClassify', 'PointMappingSAM'];

/** A file that a configuration loads with PyTorch. */
export interface LoadedEntry {
  /** The entry that holds what was loaded. */
  readonly id: string;
  /** The file's path from the bundle's folder. */
  readonly path: string;
}

/** A network as a configuration has it: the class without its module, and its parameters. */
export interface ConfiguredNetwork {
  /** `UNet`. */
  readonly type: string;
  readonly config: Tree;
}

/**
 * A configuration of MONAI's bundles (`configs/inference.json`), read as data. References to other entries
 * (`@channels`, `@train#roi_size`, `$@channels`, `%channels`; `::` may stand for `#`) are resolved; nothing
 * is ever executed, so any other expression (`$len(@labels)`) is refused by name.
 *
 * Source of the syntax: MONAI's documentation, "Bundle configuration".
 */
export class MonaiConfig {
  readonly #content: Tree;
  /** What is refused: the place, and a clause that goes on from it. */
  #resolved = 0;
  readonly #faults: { readonly place: string; readonly message: string }[] = [];
  readonly #loaded = new Map<string, Tree>();

  /** @param file The configuration's name, for messages. */
  constructor(
    content: Tree,
    readonly file: string,
  ) {
    this.#content = content;
  }

  /**
   * The network under `network_def`.
   *
   * @param overrides Parameters that take the place of those in the file; they may replace expressions.
   * @throws ModelError when there is none, or naming every parameter that would need code to run.
   */
  network(overrides: Tree = {}): ConfiguredNetwork {
    const { network_def: given } = this.#content;
    if (given === undefined) {
      throw new ModelError(
        `${this.file} has no network_def, which says what the network is. Give the network's parameters in a separate file: ` +
          'voxstream models import CHECKPOINT --network unet --config FILE',
      );
    }
    const { value: found } = this.#follow(given, 'network_def', []);
    if (!isTree(found) || typeof found['_target_'] !== 'string' || /^[@$%]/.test(found['_target_'])) {
      throw new ModelError(
        `${this.file}: network_def must be a map whose _target_ is the name of a class, but it is ${show(found)}.`,
      );
    }
    const parameters = Object.entries({ ...found, ...overrides }).filter(
      ([key]) => !parserKeys.includes(key),
    );
    const config = Object.fromEntries(
      parameters.map(([key, value]) => [key, this.#resolve(value, `network_def#${key}`, [])]),
    );
    this.#report();
    return { type: found['_target_'].split('.').at(-1) as string, config };
  }

  /** The files that the configuration loads with `torch.load`, such as the search codes of DiNTS. */
  loads(): LoadedEntry[] {
    return Object.entries(this.#content).flatMap(([id, value]) => {
      const entry = typeof value === 'string' && /^\$\s*torch\.load\(\s*@(\w+)/.exec(value)?.[1];
      const path = entry && this.#content[entry];
      const quoted = typeof path === 'string' ? /['"]\/?([^'"]+)['"]\s*$/.exec(path)?.[1] : undefined;
      return quoted ? [{ id, path: quoted }] : [];
    });
  }

  /** Gives what a file of `loads` holds. */
  provide(id: string, content: Tree): void {
    this.#loaded.set(id, content);
  }

  /**
   * The value at a place such as `inferer#roi_size`, or undefined when there is none, or only by running
   * code.
   */
  peek(place: string): unknown {
    const faults = this.#faults.length;
    try {
      const value = this.#resolve(this.#at(place, []), place, []);
      return this.#faults.length > faults ? undefined : value;
    } catch {
      return undefined;
    } finally {
      this.#faults.length = faults;
    }
  }

  /** Every map in the configuration whose `_target_` is this class. */
  objectsOf(target: string): Tree[] {
    const found: Tree[] = [];
    const walk = (value: unknown) => {
      if (isTree(value)) {
        const { _target_: name } = value;
        if (typeof name === 'string' && name.split('.').at(-1) === target) found.push(value);
      }
      if (typeof value === 'object' && value !== null) Object.values(value).forEach(walk);
    };
    walk(this.#content);
    return found;
  }

  #report(): void {
    if (this.#faults.length === 0) return;
    const keys = this.#faults.map(({ place }) => place.replace(/^network_def#/, ''));
    throw new ModelError(
      `The network in ${this.file} cannot be read as data:\n` +
        this.#faults.map(({ place, message }) => `  ${place} ${message}\n`).join('') +
        `Give the values yourself: ${[...new Set(keys)].map((key) => `--set ${key.split('#')[0]}=VALUE`).join(' ')}`,
    );
  }

  /** A value with every reference in it resolved. `trail` has the references that led to it. */
  #resolve(value: unknown, place: string, trail: readonly string[]): unknown {
    if (++this.#resolved > mostValues) {
      throw new ModelError(
        `${this.file}: ${place} refers to more than ${mostValues} values, which no network needs.`,
      );
    }
    const found = this.#follow(value, place, trail);
    const inside = (item: unknown, key: string | number) =>
      this.#resolve(item, `${place}#${key}`, found.trail);
    if (Array.isArray(found.value)) return found.value.map(inside);
    if (!isTree(found.value)) return found.value;
    const part = String(found.value['_target_'] ?? '')
      .split('.')
      .at(-1) as string;
    if (networkParts.includes(part)) {
      // The device does not change what a network computes.
      const skipped = [...parserKeys, 'device'];
      const parameters = Object.entries(found.value).filter(([key]) => !skipped.includes(key));
      return { type: part, ...Object.fromEntries(parameters.map(([key, item]) => [key, inside(item, key)])) };
    }
    if ('_target_' in found.value) {
      const message = `is an object of the class ${show(found.value['_target_'])}, which only Python can make`;
      this.#faults.push({ place, message });
      return null;
    }
    return Object.fromEntries(Object.entries(found.value).map(([key, item]) => [key, inside(item, key)]));
  }

  /** What a value stands for, if it is a reference; the value itself otherwise. */
  #follow(
    value: unknown,
    place: string,
    trail: readonly string[],
  ): { value: unknown; trail: readonly string[] } {
    if (typeof value !== 'string' || !/^[@$%]/.test(value)) return { value, trail };
    const text = value.replaceAll('::', '#');
    const [, loadedId = '', key = ''] =
      /^\$\s*(?:torch\.(?:from_numpy|as_tensor|tensor)\(\s*)?@(\w+)\[['"](\w+)['"]\]\s*\)?\s*$/.exec(text) ??
      [];
    const loaded = this.#loaded.get(loadedId)?.[key];
    if (loaded !== undefined) return { value: loaded, trail };
    const id = /^(?:\$?\s*@|%)([\w-]+(?:#[\w-]+)*)\s*$/.exec(text)?.[1];
    if (id === undefined) {
      const what = value.startsWith('$') ? 'expression' : 'reference';
      this.#faults.push({ place, message: `is the ${what} ${show(value)}, which would need Python to run` });
      return { value: null, trail };
    }
    const longer = [...trail, id];
    if (trail.includes(id)) {
      throw new ModelError(
        `${this.file}: the references ${longer.map((one) => `@${one}`).join(' -> ')} go round in a circle.`,
      );
    }
    return this.#follow(this.#at(id, longer), place, longer);
  }

  #at(id: string, trail: readonly string[]): unknown {
    let value: unknown = this.#content;
    for (const key of id.split('#')) {
      // A reference may lead through another one: `@train#roi_size` where train is "@common".
      const { value: inside } = this.#follow(value, id, trail);
      const names = typeof inside === 'object' && inside !== null ? Object.keys(inside) : [];
      if (!names.includes(key)) {
        throw new ModelError(
          names.length > 0
            ? `${this.file}: @${id} cannot be resolved, for ${unknownName('entry', key, names)}`
            : `${this.file}: @${id} cannot be resolved, for there is nothing named "${key}" in it.`,
        );
      }
      value = (inside as Tree)[key];
    }
    return value;
  }
}

/** Whether a value is a map, not a list. */
export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
