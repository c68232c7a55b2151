import { builtins } from '../language/builtins.js';
import { PyObject, type Value } from '../language/values.js';
import type { BoundedFiles } from './files.js';
import { learningModules } from './learning.js';
import { openFunction, standardModules } from './standard.js';
import { PythonName } from './symbols.js';

/** What expressions can use. */
export interface LibraryOptions {
  readonly files: BoundedFiles;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The number of devices that `torch.cuda` reports. */
  readonly accelerators: number;
}

/** An import statement of a configuration, such as `from pathlib import Path as P`. */
const importPattern =
  /^(?:from\s+([\w.]+)\s+)?import\s+([\w.]+)(?:\s+as\s+(\w+))?\s*(?:,\s*[\w.]+(?:\s+as\s+\w+)?\s*)*$/;

/** Python's names as a configuration sees them: built-in functions, some modules, and what it imports. */
export class Library {
  readonly #modules: Readonly<Record<string, PyObject>>;
  readonly #names: Map<string, Value>;

  constructor(options: LibraryOptions) {
    this.#modules = {
      ...standardModules(options.files, options.environment),
      ...learningModules(options.files, options.accelerators),
    };
    const { numpy, torch, monai } = this.#modules;
    this.#names = new Map<string, Value>([
      ...Object.entries(builtins),
      ['open', openFunction(options.files)],
      ['numpy', numpy],
      ['np', numpy],
      ['torch', torch],
      ['monai', monai],
    ]);
  }

  /** The value of a name. */
  name(name: string): Value | undefined {
    return this.#names.get(name);
  }

  /** Runs an import statement, without the `$`. Returns undefined if the text is none. */
  import(text: string): Value | undefined {
    const found = importPattern.exec(text);
    if (!found) return undefined;
    const [, from, name, alias] = found;
    const value = this.find(from === undefined ? name : `${from}.${name}`);
    this.#names.set(alias ?? name, value);
    return value;
  }

  /**
   * What a full name such as `os.path.join` stands for. Modules that voxstream does not know are symbols:
   * code of the bundle, for example.
   */
  find(name: string): Value {
    if (Object.hasOwn(this.#modules, name)) return this.#modules[name];
    const plain = name.replace(/^builtins\./, '');
    if (Object.hasOwn(builtins, plain)) return builtins[plain];
    const [first, ...rest] = name.split('.');
    let value: Value | undefined = this.#modules[first];
    for (const part of rest) value = value instanceof PyObject ? value.attribute(part) : undefined;
    if (value !== undefined && !(value instanceof PythonName)) return value;
    return this.#known(name) ?? value ?? new PythonName(name, 'is Python code, which voxstream does not run');
  }

  /** A function of MONAI by its last name: `monai.data.decathlon_datalist.load_decathlon_datalist`. */
  #known(name: string): Value | undefined {
    const parts = name.split('.');
    const short = parts.at(-1) as string;
    if (parts.length > 1 && parts[0] !== 'monai') return undefined;
    for (const module of ['data', 'utils', 'handlers']) {
      const inside = (this.#modules['monai'].attribute(module) as PyObject).attribute(short);
      if (inside !== undefined && !(inside instanceof PythonName)) return inside;
    }
    return undefined;
  }
}
