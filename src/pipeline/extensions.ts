import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { resolve as resolveModule } from 'import-meta-resolve';
import { listNames, messageOf, OptionError, show } from '../errors.js';
import { registerFormat } from '../formats/index.js';
import { registerStorage } from '../storage/index.js';
import { contentOf } from './moduleContent.js';
import {
  createRegistry,
  type Extension,
  extensionParts,
  type Registry,
  replacedBy,
  type UsedPackage,
} from './registry.js';

/**
 * The built-in definitions and those of packages or files. This runs their code.
 *
 * @param use Names of npm packages (resolved from `folder`) or paths of module files.
 * @param folder The folder that names and paths are relative to. Default: the working directory.
 * @throws OptionError if one cannot be found or loaded, or its default export is not an `Extension`.
 */
export async function loadRegistry(use: readonly string[], folder = process.cwd()): Promise<Registry> {
  const extensions: Extension[] = [];
  const packages: UsedPackage[] = [];
  for (const one of use) {
    const url = await moduleOf(one, folder);
    const extension = checkExtension(one, await importModule(one, url));
    for (const format of extension.formats ?? []) registerFormat(format);
    for (const storage of extension.storages ?? []) registerStorage(storage);
    extensions.push(extension);
    const file = fileURLToPath(url);
    const replaces = replacedBy(extension);
    packages.push({
      use: one,
      ...(await packageOf(file)),
      ...(replaces.length > 0 && { replaces }),
      sha256: await contentOf(file),
    });
  }
  return { ...createRegistry(...extensions), packages };
}

/** The URL of the module that `--use` names: the file at that path if it exists, otherwise a package. */
async function moduleOf(use: string, folder: string): Promise<string> {
  const file = resolve(folder, use);
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile()) return pathToFileURL(file).href;
  const parent = pathToFileURL(join(folder, 'index.js')).href;
  try {
    // A folder is treated as a package that is not installed.
    if (found?.isDirectory())
      return resolveModule(await ownName(file), pathToFileURL(join(file, 'index.js')).href);
    return resolveModule(use, parent);
  } catch (error) {
    throw new OptionError(
      `--use ${use}: there is no such file, and no such package is installed for ${folder} ` +
        `(${messageOf(error)}). Install it with "npm install ${use}", or give the path of a file.`,
      { cause: error },
    );
  }
}

async function importModule(use: string, url: string): Promise<unknown> {
  try {
    return (await import(url)).default;
  } catch (error) {
    throw new OptionError(`--use ${use}: ${url} cannot be loaded: ${messageOf(error)}.`, { cause: error });
  }
}

/**
 * Throws OptionError unless a module's default export is an object with lists of definitions under the right
 * keys.
 */
function checkExtension(use: string, found: unknown): Extension {
  const parts = Object.keys(extensionParts);
  const wanted = `It must be an object with one or more of the lists ${listNames(parts)}.`;
  if (found === null || typeof found !== 'object') {
    throw new OptionError(`--use ${use}: the module's default export is ${show(found)}. ${wanted}`);
  }
  for (const [key, list] of Object.entries(found)) {
    const isPart = Object.entries(extensionParts).find(([name]) => name === key)?.[1];
    if (!isPart || !Array.isArray(list)) {
      throw new OptionError(`--use ${use}: the module's default export has ${key}: ${show(list)}. ${wanted}`);
    }
    const wrong = list.findIndex((one) => !isPart(one));
    if (wrong >= 0) {
      throw new OptionError(
        `--use ${use}: ${key}[${wrong}] was not created with the functions of voxstream/author, e.g. ` +
          'operator(…).',
      );
    }
  }
  return found;
}

/** The name of the package in a folder. */
async function ownName(folder: string): Promise<string> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')).name;
}

/** The name and version of the package that a file belongs to, from the nearest package.json above it. */
async function packageOf(file: string): Promise<Pick<UsedPackage, 'name' | 'version'>> {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined);
    if (text !== undefined) {
      const { name, version } = JSON.parse(text);
      return { ...(name && { name }), ...(version && { version }) };
    }
    if (folder === dirname(folder)) return {};
  }
}
