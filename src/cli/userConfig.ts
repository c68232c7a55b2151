import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { ended, messageOf, OptionError } from '../errors.js';
import { checkOptions } from '../options.js';
import { parseYamlText } from '../pipeline/parseYaml.js';
import { runtimeBlock } from '../pipeline/runtimeBlock.js';
import { parseDevice } from '../runtime/device.js';

const { device, inFlight, memory, workers } = runtimeBlock.options;

/** The settings of a user's configuration file. */
const settings = {
  name: 'configuration',
  options: {
    device: device.optional(),
    inFlight: inFlight.optional(),
    memory: memory.optional(),
    workers: workers.optional(),
    cache: z.string().min(1).optional().describe('Folder for downloads, models and rewritten models'),
    registry: z.string().min(1).optional().describe('The registry of "voxstream models pull"'),
  },
};

/** Settings of the `runtime` block for pipelines that do not state them, as the file has them. */
export type RuntimeDefaults = Readonly<Record<string, unknown>>;

/** The path of the user's configuration file. */
export function userConfigFile(): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'voxstream', 'config.yaml');
}

let defaults: RuntimeDefaults = {};

/** The settings of the user's configuration file that a pipeline may have; see `applyUserConfig`. */
export function runtimeDefaults(): RuntimeDefaults {
  return defaults;
}

/**
 * Reads the user's configuration file, if there is one. Command-line options and pipeline files take
 * precedence over it, and so do the environment variables VOXSTREAM_CACHE and VOXSTREAM_REGISTRY, which it
 * sets for this process.
 *
 * @throws OptionError if the file cannot be read or has a wrong setting.
 */
export async function applyUserConfig(): Promise<void> {
  const file = userConfigFile();
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return '';
    throw new OptionError(`${file} cannot be read: ${messageOf(error)}.`);
  });
  const content = parseYamlText(text, file).content ?? {};
  const { options, faults } = checkOptions(settings, content);
  if (!options) {
    throw new OptionError(
      faults
        .map(({ path, message }) => ended(`${file}: ${[path.join('.'), message].filter(Boolean).join(' ')}`))
        .join('\n'),
    );
  }
  try {
    if (options.device !== undefined && options.device !== 'auto') parseDevice(options.device);
  } catch (error) {
    throw new OptionError(`${file}: ${messageOf(error)}`);
  }
  const { cache, registry, ...runtime } = content as Record<string, unknown>;
  defaults = runtime;
  if (options.cache) process.env.VOXSTREAM_CACHE ??= inHome(options.cache);
  if (options.registry) process.env.VOXSTREAM_REGISTRY ??= inHome(options.registry);
}

/** A path of the file: absolute, or with `~` for the home folder. */
function inHome(path: string): string {
  return resolve(path.replace(/^~(?=\/|$)/, homedir()));
}
