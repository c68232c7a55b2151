import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { OptionError } from '../errors.js';
import { type ExportFormat, exportFormats, exportModel } from '../models/exportModel.js';
import { findModel } from '../models/findModel.js';
import { print, printError } from './print.js';

interface ExportFlags {
  readonly format: ExportFormat;
  readonly output?: string;
  readonly force?: boolean;
}

/** `voxstream models export`: writes a model for PyTorch and other programs. */
export function addModelsExportCommand(models: Command): void {
  models
    .command('export')
    .summary('write a model as a PyTorch state dict, safetensors or ONNX')
    .description(
      'Writes the weights of a model for other programs. Models that were imported from a checkpoint or ' +
        "trained here have the names and shapes of the network's PyTorch class, so that MONAI loads them with " +
        'load_state_dict; others have the names of the ONNX file.',
    )
    .argument('<model>', 'model folder, .onnx file, or the name of a model')
    .addOption(
      new Option('--format <format>', 'pt is what torch.save writes of a state_dict()')
        .choices([...exportFormats])
        .makeOptionMandatory(),
    )
    .option('-o, --output <file>', 'file to write (default: NAME.FORMAT in the working folder)')
    .option('--force', 'replace the file')
    .action(async (name: string, { format, output, force }: ExportFlags) => {
      const model = await findModel(name, [resolve('models')]);
      const file = output ?? `${model.card.name}.${format}`;
      if (existsSync(file) && !force) {
        throw new OptionError(`${file} exists. Give --force to replace it, or name another file with -o.`);
      }
      for (const note of await exportModel(model, format, file)) printError(`voxstream: ${note}\n`);
      print(`${file}\n`);
    });
}
