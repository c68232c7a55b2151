import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, type Option } from 'commander';
import { messageOf, OptionError, show, unknownName } from '../errors.js';
import { mostVoxels, parseBytes, smallSizeFault } from '../optionTypes.js';
import { parseYamlText } from '../pipeline/parseYaml.js';
import { leastMemory, mostAtOnce } from '../pipeline/runtimeBlock.js';
import type { Triple, Vec3 } from '../volume/volume.js';

/** Parser for repeatable options: appends to the list. */
export function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value];
}

/** Parser for `--set PATH=VALUE`, which is repeatable. */
export function override(value: string, earlier: readonly string[] = []): string[] {
  if (!value.includes('='))
    throw new InvalidArgumentError(
      `It must be PATH=VALUE in one word, e.g. --set ${value}=VALUE. "voxstream validate" prints the values of a pipeline.`,
    );
  return [...earlier, value];
}

/** Parser for comma-separated lists. */
export function commaList(value: string): string[] {
  return value.split(',').map((part) => part.trim());
}

/** Parser for positive integers. */
export function positive(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1)
    throw new InvalidArgumentError('It must be a whole number, 1 or more.');
  return number;
}

/** What the value of `--memory` must be; undefined if it is that. */
export function memoryFault(value: string): string | undefined {
  if (value === 'auto') return undefined;
  const bytes = parseBytes(value);
  const fault = bytes === undefined ? 'a size, e.g. 4GiB' : smallSizeFault(bytes, leastMemory);
  return fault && `${fault}, or auto`;
}

/** Parser for `--memory`: a size, or `auto`. */
export function bytesOrAuto(value: string): string {
  const fault = memoryFault(value);
  if (fault) throw new InvalidArgumentError(`It must be ${fault}.`);
  return value;
}

/** Parser for a size in voxels along x, y and z. */
export function voxelSize(value: string): Vec3 {
  const sizes = value.split(',').map(Number);
  if (sizes.length !== 3 || !sizes.every((n) => Number.isInteger(n) && n > 0 && n <= mostVoxels))
    throw new InvalidArgumentError(
      `It must be three whole numbers from 1 to ${mostVoxels} separated by commas, e.g. 96,96,96.`,
    );
  return sizes as Triple;
}

/** Parser for a number of cases or threads at once. */
export function atOnce(value: string): number {
  const number = positive(value);
  if (number > mostAtOnce) throw new InvalidArgumentError(`It must be at most ${mostAtOnce}.`);
  return number;
}

/** Parser for `--shard I/N`. */
export function shard(value: string): { index: number; count: number } {
  const [, index, count] = (/^(\d+)\/(\d+)$/.exec(value) ?? []).map(Number);
  if (!(index >= 1 && index <= count))
    throw new InvalidArgumentError('It must be I/N with I from 1 to N, e.g. 1/4.');
  return { index, count };
}

/**
 * Sets a command's options from the file given with `--args`: a YAML or JSON map from option names
 * (`in-flight` or `inFlight`) to values; `set` is a map from path to value, or a list of PATH=VALUE. Flags on
 * the command line override it.
 *
 * @throws OptionError if the file cannot be read or contains an unknown option or a bad value.
 */
export async function applyArgsFile(command: Command, file: string): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw new OptionError(`The file ${file} (--args) cannot be read: ${messageOf(error)}.`);
  });
  const { content } = parseYamlText(text, file);
  if (content === null || typeof content !== 'object' || Array.isArray(content)) {
    throw new OptionError(
      `${file} (--args) must contain a map of command-line options, but it is ${show(content)}.`,
    );
  }
  const options = command.options.filter((option) => option.attributeName() !== 'args');
  for (const [key, value] of Object.entries(content)) {
    const option = options.find((one) => one.attributeName() === key || one.long === `--${key}`);
    if (!option) {
      const known = options.map((one) => one.attributeName());
      throw new OptionError(`${file} (--args): ${unknownName('option', key, known)}`);
    }
    const name = option.attributeName();
    if (name === 'set') {
      // Overrides from the command line come later, so they take precedence.
      command.setOptionValue('set', [...overridesOf(file, value), ...(command.getOptionValue('set') ?? [])]);
    } else if (command.getOptionValueSource(name) !== 'cli') {
      command.setOptionValueWithSource(name, readValue(file, option, value), 'config');
    }
  }
}

function overridesOf(file: string, value: unknown): string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
    // Overrides are parsed as YAML, which includes JSON.
    return Object.entries(value).map(([path, item]) => `${path}=${JSON.stringify(item)}`);
  }
  throw new OptionError(
    `${file} (--args): set must be a map of paths to values or a list of PATH=VALUE, but it is ` +
      `${show(value)}.`,
  );
}

function readValue(file: string, option: Option, value: unknown): unknown {
  const fault = (expected: string) =>
    new OptionError(`${file} (--args): ${option.attributeName()} is ${show(value)}. ${expected}`);
  if (option.optional && typeof value === 'boolean') return value;
  if (option.isBoolean()) {
    if (typeof value !== 'boolean') throw fault('It must be true or false.');
    return value;
  }
  const text = Array.isArray(value) ? value.join(',') : value;
  if (typeof text !== 'string' && typeof text !== 'number') {
    throw fault('It must be a text, a number or a list.');
  }
  try {
    return option.parseArg ? option.parseArg(String(text), undefined) : String(text);
  } catch (error) {
    throw fault(messageOf(error));
  }
}
