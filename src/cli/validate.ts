import type { Command } from 'commander';
import { stringify } from 'yaml';
import { maskOf } from '../mask.js';
import { describePipeline } from '../pipeline/describePipeline.js';
import { addPipelineOptions, loadFromFlags } from './pipelineOptions.js';
import { print, printError } from './print.js';

/**
 * Adds `voxstream validate`, which checks a pipeline and prints it with all options resolved. It starts no
 * run.
 */
export function addValidateCommand(program: Command): void {
  addPipelineOptions(program.command('validate'))
    .description('check a pipeline and print it with all options resolved, without running it')
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
      printError(`${pipeline.files.join(', ')}: the pipeline is valid.\n`);
    });
}
