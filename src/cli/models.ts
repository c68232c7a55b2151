import type { Command } from 'commander';
import { addModelsExportCommand } from './modelsExport.js';
import { addModelsImportCommand } from './modelsImport.js';
import { addModelsInfoCommand } from './modelsInfo.js';
import { addModelsListCommand } from './modelsList.js';
import { addModelsOptimizeCommand } from './modelsOptimize.js';
import { addModelsPullCommand } from './modelsPull.js';

/** `voxstream models`: list, describe, import, export, download and optimize models. */
export function addModelsCommand(program: Command): void {
  const models = program
    .command('models')
    .summary('list, import, download and rewrite models')
    .description(
      'Lists, imports, exports, downloads and rewrites models. A model is a folder with model.onnx and a card, metadata.json. An .onnx file alone works too. A ' +
        "name is looked up in ./models, in the package, and in the models folder of the user's cache.",
    );
  addModelsListCommand(models);
  addModelsInfoCommand(models);
  addModelsImportCommand(models);
  addModelsExportCommand(models);
  addModelsPullCommand(models);
  addModelsOptimizeCommand(models);
}
