import type { Command } from 'commander';
import { stringify } from 'yaml';
import { maskOf } from '../mask.js';
import { checkRun } from '../pipeline/checkRun.js';
import { describePipeline } from '../pipeline/describePipeline.js';
import { runtimeFor } from '../pipeline/openRun.js';
import { addPipelineOptions, loadFromFlags, modelFoldersOf } from './pipelineOptions.js';
import { print, printError } from './print.js';

/**
 * Adds `voxstream validate`, which checks a pipeline and prints it with all options resolved. It starts no
 * run.
 */
export function addValidateCommand(program: Command): void {
  addPipelineOptions(program.command('validate'))
    .summary('check a pipeline, its dataset, models and device')
    .description(
      'Checks a pipeline, its dataset, models and device, and prints it with all options resolved. It runs nothing.',
    )
    .action(async (files: string[], _flags, command: Command) => {
      const pipeline = await loadFromFlags(files, command);
      print(
        stringify(maskOf(pipeline)(describePipeline(pipeline)), {
          lineWidth: 110,
          flowCollectionPadding: true,
          // Values that references share are written out.
          aliasDuplicateObjects: false,
        }),
      );
      const modelFolders = modelFoldersOf(pipeline);
      const runtime = runtimeFor(pipeline, { modelFolders });
      await checkRun(pipeline, runtime, (message) => printError(`Warning: ${message}\n`));
      if (pipeline.train) {
        const { checkTraining } = await import('../train/plan.js');
        await checkTraining(pipeline, modelFolders);
      }
      printError(`${pipeline.files.join(', ')}: the pipeline is valid.\n`);
    });
}
