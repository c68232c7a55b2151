import { resolve } from 'node:path';
import type { Command } from 'commander';
import { writeBundle } from '../bundle/init/writeBundle.js';
import { findModel } from '../models/findModel.js';
import { print, printError } from './print.js';

/** Adds `voxstream bundle init`, which writes a model as a MONAI bundle. */
export function addBundleInitCommand(bundle: Command): void {
  bundle
    .command('init')
    .summary('write a trained model as a bundle')
    .description("Writes a trained model as a bundle that Python's MONAI runs.")
    .argument('<model>', 'model folder, or the name of a model')
    .option('-o, --output <dir>', 'folder to write (default: the name of the model)')
    .action(async (name: string, { output }: { output?: string }) => {
      const model = await findModel(name, [resolve('models')]);
      const { files, notes } = await writeBundle(model, output ?? model.card.name);
      for (const note of notes) printError(`voxstream: ${note}\n`);
      print(files.map((file) => `${file}\n`).join(''));
    });
}
