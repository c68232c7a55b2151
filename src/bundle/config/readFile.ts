import { readFileSync, statSync } from 'node:fs';
import { messageOf, OptionError, showBytes } from '../../errors.js';
import { Refusal } from '../language/refusal.js';
import { Dict, type Value } from '../language/values.js';
import { parseJson } from '../library/json.js';
import { parseYaml } from './yaml.js';

/** A configuration file may have this many bytes. */
const mostBytes = 4 * 1024 * 1024;

/** A path that ends with an extension of configurations. */
export const configPattern = /\.(json|ya?ml)$/i;

/** What happens with a key that occurs twice in a map. */
export interface Duplicates {
  /** As MONAI's variable `MONAI_FAIL_ON_DUPLICATE_CONFIG=1` asks: refuse. */
  readonly refuse: boolean;
  readonly warn: (message: string) => void;
}

/**
 * Reads a JSON or YAML file as data. Nothing in it is replaced.
 *
 * @param what What the file is, for messages: `configuration`.
 * @throws OptionError naming the file and the line.
 */
export function readConfigFile(file: string, what: string, duplicates: Duplicates): Value {
  if (!configPattern.test(file)) {
    throw new OptionError(`The ${what} ${file} must be a .json, .yaml or .yml file.`);
  }
  const onDuplicate = (key: string) => {
    const message = `In the ${what} ${file}, the key "${key}" occurs twice in one map.`;
    if (duplicates.refuse) throw new OptionError(`${message} Remove one.`);
    duplicates.warn(`${message} The last one counts.`);
  };
  try {
    const text = readText(file);
    return /\.json$/i.test(file) ? parseJson(text, onDuplicate) : parseYaml(text, onDuplicate);
  } catch (error) {
    if (error instanceof Refusal)
      throw new OptionError(`The ${what} ${file} cannot be read: ${error.message}.`);
    throw error;
  }
}

/** Like `readConfigFile`, for a file that must contain a map. */
export function readConfigMap(file: string, what: string, duplicates: Duplicates): Dict {
  const content = readConfigFile(file, what, duplicates);
  if (content instanceof Dict) return content;
  throw new OptionError(`The ${what} ${file} must contain a map, but it does not.`);
}

function readText(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > mostBytes)
      throw new Refusal(`it has ${showBytes(size)}, but ${showBytes(mostBytes)} is the limit`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Refusal) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Refusal(missing ? 'there is no such file' : messageOf(error));
  }
}
