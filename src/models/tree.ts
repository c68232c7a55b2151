import { readFile } from 'node:fs/promises';
import { parse as parseYaml } from 'yaml';
import { ModelError, messageOf, show } from '../errors.js';
import { readFault } from '../formats/aside.js';

/** A map of a JSON or YAML file. */
export type Tree = Readonly<Record<string, unknown>>;

/** Whether a value is a map, not a list. */
export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads a map from a JSON or YAML file. Throws ModelError or DataError naming the file and what is wrong. */
export async function readTree(file: string): Promise<Tree> {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw readFault(file, error);
  });
  let content: unknown;
  try {
    content = file.endsWith('.json') ? JSON.parse(text) : parseYaml(text);
  } catch (error) {
    throw new ModelError(
      `${file} is not valid ${file.endsWith('.json') ? 'JSON' : 'YAML'}: ${messageOf(error)}.`,
      { cause: error },
    );
  }
  if (isTree(content)) return content;
  throw new ModelError(`${file} must hold a map of names to values, but it is ${show(content)}.`);
}
