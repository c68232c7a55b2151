import type { Command } from 'commander';
import { loadRegistry } from '../pipeline/extensions.js';
import { pipelineSchema } from '../pipeline/schema.js';
import { collect } from './args.js';
import { useHelp } from './pipelineOptions.js';
import { print } from './print.js';

/** Adds `voxstream schema`, which prints the JSON Schema of pipeline files for editors. */
export function addSchemaCommand(program: Command): void {
  program
    .command('schema')
    .description('print the JSON Schema of pipeline files, for completion and validation in editors')
    .option('--use <package>', useHelp, collect)
    .action(async ({ use = [] }: { use?: readonly string[] }) => {
      print(`${JSON.stringify(pipelineSchema(await loadRegistry(use)), null, 2)}\n`);
    });
}
