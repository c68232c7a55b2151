import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { BundleConfig } from '../bundle/config/load.js';
import { toPlain } from '../bundle/config/plain.js';
import { messageOf, OptionError, VoxError } from '../errors.js';
import { bundleWords, configOf } from './bundleWords.js';
import { print } from './print.js';

/** Adds `voxstream bundle resolve`, which prints what ids of a configuration become. */
export function addBundleResolveCommand(bundle: Command): void {
  bundle
    .command('resolve')
    .summary('print the values of a configuration')
    .description(
      'Prints what the ids of a configuration become, as JSON: {"id": {"value": …}} or {"id": {"error": "…"}}.',
    )
    .usage('--config_file FILE [--meta_file FILE] [--args_file FILE] [--ids FILE.json] [overrides]')
    .argument('[words...]', 'the arguments of python -m monai.bundle run')
    .allowUnknownOption()
    .helpOption('--help', 'show this help')
    .addHelpText(
      'after',
      '\n--ids FILE.json is a list of ids. Without it, all top-level ids are printed.\n' +
        '\nExample: voxstream bundle resolve --config_file configs/inference.json --dataset_dir /data\n',
    )
    .action(() => {
      const { words, own } = bundleWords(process.argv, 'resolve', ['ids']);
      const config = configOf(words, 'cpu');
      const ids = own.has('ids') ? readIds(own.get('ids') as string) : config.topIds;
      print(
        `${JSON.stringify(Object.fromEntries(ids.map((id) => [id, resolved(config, id)])), undefined, 1)}\n`,
      );
    });
}

/** What an id becomes when it is asked for alone. */
function resolved(config: BundleConfig, id: string): unknown {
  try {
    return { value: toPlain(config.resolver().resolve(id)) };
  } catch (error) {
    if (!(error instanceof VoxError)) throw error;
    return { error: error.message };
  }
}

function readIds(file: string): string[] {
  try {
    const ids: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (Array.isArray(ids) && ids.every((id) => typeof id === 'string')) return ids;
  } catch (error) {
    throw new OptionError(`--ids ${file} cannot be read: ${messageOf(error)}.`);
  }
  throw new OptionError(`--ids ${file} must contain a JSON list of texts.`);
}
