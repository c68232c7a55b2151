import type { Command } from 'commander';
import { loadRegistry } from '../pipeline/extensions.js';
import { pipelineSchema } from '../pipeline/schema.js';
import { print } from './print.js';
import { sharedOption } from './sharedOptions.js';

/** Adds `voxstream schema`, which prints the JSON Schema of pipeline files for editors. */
export function addSchemaCommand(program: Command): void {
  program
    .command('schema')
    .summary('print the JSON Schema of pipeline files')
    .description('Prints the JSON Schema of pipeline files, for completion and validation in editors.')
    .addOption(sharedOption('use'))
    .action(async ({ use = [] }: { use?: readonly string[] }) => {
      print(`${JSON.stringify(pipelineSchema(await loadRegistry(use)), null, 2)}\n`);
    });
}
