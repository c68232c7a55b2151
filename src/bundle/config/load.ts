import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { OptionError } from '../../errors.js';
import { Refusal } from '../language/refusal.js';
import { Dict, iterate, repr, Tuple, type Value } from '../language/values.js';
import { BoundedFiles } from '../library/files.js';
import type { Given } from './commandLine.js';
import { replaceMacros } from './macros.js';
import { type Duplicates, readConfigFile, readConfigMap } from './readFile.js';
import { isComponent } from './references.js';
import { Resolver } from './resolver.js';
import { copyTree, hasValueAt, merge, normalizeId, separator, setValueAt, valueAt } from './tree.js';

/** The arguments that are not overrides. */
const ownArguments = new Set([
  'run_id',
  'init_id',
  'final_id',
  'meta_file',
  'config_file',
  'logging_file',
  'tracking',
  'workflow_type',
]);

/** Where a bundle is run, besides its command line. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The number of devices that `torch.cuda` reports. */
  readonly accelerators: number;
  /** Called with non-fatal warnings. */
  readonly warn: (message: string) => void;
  /** Whether lists of cases that are not there count as empty. Default: false. */
  readonly assumeEmpty?: boolean;
  /** How another value is given for an id, for messages. Default: `--ID VALUE`. */
  readonly override?: (id: string) => string;
}

/** A configuration that is read, merged and overridden. */
export interface BundleConfig {
  /** The ids at the top. */
  readonly topIds: readonly string[];
  readonly configFiles: readonly string[];
  /** The bundle's folder. */
  readonly root: string;
  /** The ids of what to do first, then, and last. */
  readonly ids: { readonly init: string; readonly run: string; readonly final: string };
  /** The names of what the command line overrides. */
  readonly overridden: readonly string[];
  readonly fileOf: (id: string) => string;
  /** Makes a resolver that has resolved nothing yet. Throws OptionError if a macro cannot be replaced. */
  readonly resolver: (options?: { keepDisabled?: boolean }) => Resolver;
}

/**
 * Reads the configuration that a command line names: its files merged in order, the metadata, the overrides,
 * and macros replaced.
 *
 * @param given From `readCommandLine`.
 * @throws OptionError
 */
export function loadBundleConfig(given: Given, surroundings: Surroundings): BundleConfig {
  const duplicates: Duplicates = {
    refuse: surroundings.environment['MONAI_FAIL_ON_DUPLICATE_CONFIG'] === '1',
    warn: surroundings.warn,
  };
  const args = withArgsFile(given, duplicates);
  const configFiles = pathsOf(args.get('config_file') ?? null, 'config_file');
  if (configFiles.length === 0) {
    throw new OptionError('No configuration was given. Name one: --config_file configs/inference.json');
  }
  const [first] = configFiles;
  if (!existsSync(first) || !statSync(first).isFile()) {
    throw new OptionError(
      `There is no configuration ${first}. Several files are given as a list: --config_file "['a.json','b.json']"`,
    );
  }
  const folder = dirname(first);
  const root = basename(resolve(folder)) === 'configs' ? dirname(resolve(folder)) : resolve(folder);
  const origins = new Map<string, string>();
  const tree = new Dict([['_meta_', new Dict()]]);
  const set = (key: string, value: Value, file: string) => {
    const script = torchScript(value);
    const id = normalizeId(key);
    if (script !== undefined && hasValueAt(tree, id) && isComponent(valueAt(tree, id))) {
      tree.set(scriptId, `$${script}`);
      surroundings.warn(
        `${file} replaces ${key} by a TorchScript program, which voxstream does not run. The network stays as it was, ` +
          'with the weights that the program was made from. --device tensorrt runs it on TensorRT.',
      );
      return;
    }
    try {
      merge(tree, key, value);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      throw new OptionError(
        `The ${file === commandLine ? '' : 'configuration '}${file} sets ${key}, but ${error.message}.`,
      );
    }
    origins.set(normalizeId(key.replace(/^[+~]/, '')), file);
  };
  for (const file of configFiles) {
    const content = readConfigMap(file, 'configuration', duplicates);
    for (const [key, value] of content.entries()) {
      if (typeof key !== 'string') tree.set(key, value);
      else set(key, value, file);
    }
  }
  const meta = readMetadata(args.get('meta_file') ?? null, folder, duplicates);
  if (meta) tree.set('_meta_', meta);
  const overrides = [...args].filter(([name]) => !ownArguments.has(name));
  for (const [name, value] of overrides) set(name, value, commandLine);

  const files = new BoundedFiles([root, ...configFiles], surroundings.assumeEmpty);
  for (const [, value] of overrides) for (const path of pathsIn(value)) files.allow(path);
  const data = tree.get('dataset_dir');
  if (typeof data === 'string' && !/^[@$%]/.test(data)) files.allow(data);
  let replaced: Dict | undefined;
  const withoutMacros = (): Dict => {
    if (replaced) return replaced;
    const copy = copyTree(tree) as Dict;
    try {
      replaceMacros(copy, (file) => {
        files.check(file);
        return readConfigFile(file, 'configuration', duplicates);
      });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      throw new OptionError(`In ${configFiles.join(', ')}, ${error.message}.`);
    }
    replaced = copy;
    return copy;
  };
  const fileOf = (id: string) => {
    const keys = id.split(separator);
    for (let n = keys.length; n > 0; n--) {
      const file = origins.get(keys.slice(0, n).join(separator));
      if (file !== undefined) return file;
    }
    return first;
  };
  const text = (name: string, otherwise: string) => {
    const value = args.get(name) ?? otherwise;
    return typeof value === 'string' ? value : otherwise;
  };
  return {
    topIds: tree
      .keys()
      .map(String)
      .filter((id) => id !== scriptId),
    configFiles,
    root,
    ids: {
      init: text('init_id', 'initialize'),
      run: text('run_id', 'run'),
      final: text('final_id', 'finalize'),
    },
    overridden: overrides.map(([name]) => name),
    fileOf,
    resolver: (options = {}) =>
      new Resolver(withoutMacros(), {
        files,
        environment: surroundings.environment,
        accelerators: surroundings.accelerators,
        fileOf,
        override: surroundings.override ?? ((id) => `--${id} VALUE`),
        ...options,
      }),
  };
}

const commandLine = 'command line';

/** Where the path of a TorchScript program is kept that a file puts in place of a network. */
export const scriptId = '_torchscript_';

/** The path in `$torch.jit.load(PATH)`, as an expression. */
function torchScript(value: Value): string | undefined {
  return typeof value === 'string'
    ? /^\$\s*torch\.jit\.load\(([^,]+?)(?:,\s*map_location\s*=.*)?\)\s*$/.exec(value)?.[1]
    : undefined;
}

/** The arguments of the command line over those of its `--args_file`. None leaves what is there. */
function withArgsFile(given: Given, duplicates: Duplicates): Given {
  const file = given.get('args_file') ?? null;
  const args: Given = new Map();
  if (file !== null) {
    if (typeof file !== 'string')
      throw new OptionError(`--args_file must be a path, but it is ${repr(file)}.`);
    for (const [key, value] of readConfigMap(file, 'file of arguments', duplicates).entries()) {
      args.set(String(key), value);
    }
  }
  for (const [name, value] of given) {
    if (value === null || name === 'args_file') continue;
    const present = args.get(name);
    if (value instanceof Dict && present instanceof Dict) updateDeep(present, value);
    else args.set(name, value);
  }
  return args;
}

function updateDeep(target: Dict, source: Dict): void {
  for (const [key, value] of source.entries()) {
    const present = target.get(key);
    if (value === null) continue;
    if (value instanceof Dict && present instanceof Dict) updateDeep(present, value);
    else target.set(key, value);
  }
}

function pathsOf(value: Value, name: string): string[] {
  if (value === null) return [];
  const items = Array.isArray(value) || value instanceof Tuple ? iterate(value) : [value];
  return items.map((item) => {
    if (typeof item !== 'string')
      throw new OptionError(`--${name} must be a path or a list of paths, but it is ${repr(value)}.`);
    return item;
  });
}

/** The metadata: what is named, or `metadata.json` beside the first configuration where it is there. */
function readMetadata(named: Value, folder: string, duplicates: Duplicates): Dict | undefined {
  const files = pathsOf(named, 'meta_file');
  if (files.length === 0) {
    const file = join(folder, 'metadata.json');
    return existsSync(file) ? readConfigMap(file, 'metadata', duplicates) : undefined;
  }
  const all = new Dict();
  for (const file of files) {
    for (const [key, value] of readConfigMap(file, 'metadata', duplicates).entries()) {
      if (typeof key === 'string') setValueAt(all, normalizeId(key), value);
      else all.set(key, value);
    }
  }
  return all;
}

/** Texts in a value that are paths: they open what they name. */
function pathsIn(value: Value): string[] {
  if (typeof value === 'string') return /^[@$%]/.test(value) || !/[\\/]|^\.+$/.test(value) ? [] : [value];
  if (Array.isArray(value) || value instanceof Tuple) return iterate(value).flatMap(pathsIn);
  return value instanceof Dict ? value.values().flatMap(pathsIn) : [];
}
