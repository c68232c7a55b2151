import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { pipelineOf } from '../bundle/run/pipelineOf.js';
import { workflowOf } from '../bundle/targets/workflow.js';
import { OptionError } from '../errors.js';
import { writeAside } from '../formats/aside.js';
import { bundleWords, configOf } from './bundleWords.js';
import { print, printError } from './print.js';

/** Adds `voxstream bundle convert`, which writes a bundle's inference as a pipeline. */
export function addBundleConvertCommand(bundle: Command): void {
  bundle
    .command('convert')
    .summary("write a bundle's inference as a pipeline")
    .description("Writes a bundle's inference as a pipeline file of voxstream.")
    .usage('-o PIPELINE.yaml --config_file FILE [--model MODEL] [overrides]')
    .argument('[words...]', 'the arguments of python -m monai.bundle run')
    .allowUnknownOption()
    .helpOption('--help', 'show this help')
    .addHelpText(
      'after',
      '\n-o FILE is the pipeline to write; without it, it is printed. --model names the model in it (default: the\n' +
        'name of the bundle, as "voxstream models import" gives it).\n',
    )
    .action(async () => {
      const { words, own } = bundleWords(process.argv, 'convert', ['o', 'output', 'model']);
      const config = configOf(words, 'auto');
      const { evaluations } = workflowOf(config);
      const [plan] = evaluations;
      if (!plan) throw new OptionError(`${config.configFiles.join(', ')} runs no inference to convert.`);
      const name = basename(config.root);
      const { text, notes } = pipelineOf(plan, name, own.get('model') ?? name);
      for (const note of notes) printError(`voxstream: ${note}\n`);
      const file = own.get('output') ?? own.get('o');
      if (file === undefined) print(text);
      else {
        if (existsSync(file)) throw new OptionError(`${file} exists. Name another file, or remove it.`);
        await writeAside(file, (temporary) => writeFile(temporary, text, { flush: true }));
        print(`${file}\n`);
      }
    });
}
