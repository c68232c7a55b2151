import { readCommandLine } from '../bundle/config/commandLine.js';
import { type BundleConfig, loadBundleConfig } from '../bundle/config/load.js';
import { Refusal } from '../bundle/language/refusal.js';
import { OptionError } from '../errors.js';
import { printError } from './print.js';
import { oneEntry } from './terminal.js';

/**
 * The words of a command line after `bundle NAME`, as they were typed. Options of voxstream are taken out;
 * the rest belongs to MONAI's own syntax, which commander does not know.
 *
 * @param own The names of voxstream's options that have a value.
 * @param switches The names of those without one, which become `true`.
 */
export function bundleWords(
  argv: readonly string[],
  name: string,
  own: readonly string[],
  switches: readonly string[] = [],
): { words: string[]; own: Map<string, string> } {
  const given = argv.slice(argv.indexOf(name) + 1);
  const words: string[] = [];
  const found = new Map<string, string>();
  for (let i = 0; i < given.length; i++) {
    const [, option, value] = /^--?([\w-]+)(?:=([\s\S]*))?$/.exec(given[i]) ?? [];
    if (option !== undefined && switches.includes(option)) found.set(option, value ?? 'true');
    else if (option !== undefined && own.includes(option)) found.set(option, value ?? given[++i] ?? '');
    else words.push(given[i]);
  }
  return { words, own: found };
}

/**
 * The configuration that a command line names.
 *
 * @param device The device as voxstream names it, for `torch.cuda.is_available()`.
 * @throws OptionError
 */
export function configOf(words: readonly string[], device: string): BundleConfig {
  try {
    return loadBundleConfig(readCommandLine(words), {
      environment: process.env,
      accelerators: /^(cuda|tensorrt)/.test(device) ? 1 : 0,
      warn: (message) => printError(`${oneEntry(`voxstream: ${message}`)}\n`),
    });
  } catch (error) {
    if (error instanceof Refusal) throw new OptionError(`The command line cannot be read: ${error.message}.`);
    throw error;
  }
}
