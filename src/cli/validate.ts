import type { Command } from 'commander';
import { stringify } from 'yaml';
import { describePipeline } from '../pipeline/describePipeline.js';
import { addPipelineOptions, loadFromFlags } from './pipelineOptions.js';

/** `voxstream validate`: checks a pipeline and prints it with everything resolved; starts nothing. */
export function addValidateCommand(program: Command): void {
  addPipelineOptions(program.command('validate'))
    .description('check a pipeline and print it with every option resolved; start nothing')
    .action(async (files: string[], _flags, command: Command) => {
      const pipeline = await loadFromFlags(files, command);
      process.stdout.write(
        stringify(describePipeline(pipeline), {
          lineWidth: 110,
          flowCollectionPadding: true,
          // Values that references share are written out.
          aliasDuplicateObjects: false,
        }),
      );
      process.stderr.write(`${pipeline.files.join(', ')}: the pipeline is valid.\n`);
    });
}
