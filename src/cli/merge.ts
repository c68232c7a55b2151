import type { Command } from 'commander';
import { checkPlace } from '../address.js';
import { loadRegistry } from '../pipeline/extensions.js';
import { mergeShards } from '../pipeline/merge.js';
import { printError, printText } from './print.js';
import { sharedOption } from './sharedOptions.js';

interface MergeFlags {
  readonly output: string;
  readonly partial?: boolean;
  readonly overwrite?: boolean;
  readonly use?: readonly string[];
}

/** Adds `voxstream merge`, which puts the results of shards together. */
export function addMergeCommand(program: Command): void {
  program
    .command('merge')
    .summary('put the results of shards together')
    .description(
      'Writes the tables, the summary, failures.csv and the report that one run of all cases would have written. Files ' +
        'of cases stay where the shards wrote them. Shards of different pipelines, models or datasets are refused.',
    )
    .argument('<dir...>', 'the output folders of all shards')
    .requiredOption('-o, --output <dir>', 'the folder for the merged results')
    .option('--partial', 'merge what is there, although shards are missing or unfinished')
    .option('--overwrite', 'replace files that no run in the output folder wrote')
    .addOption(sharedOption('use'))
    .action(async (given: string[], { output: target, use = [], ...options }: MergeFlags) => {
      const [output, ...dirs] = [target, ...given].map(checkPlace);
      const registry = await loadRegistry(use);
      const onWarning = (message: string) => printError(`Warning: ${message}\n`);
      const { done, failed, unfinished, problems } = await mergeShards(dirs, output, {
        ...options,
        registry,
        onWarning,
      });
      for (const problem of problems) onWarning(problem);
      const counts = [`${done} case(s) done`, `${failed} failed`];
      if (unfinished > 0) counts.push(`${unfinished} not finished`);
      printText(`${dirs.length} shard(s) merged into ${output}: ${counts.join(', ')}\n`);
      process.exitCode = failed + unfinished + problems.length > 0 ? 2 : 0;
    });
}
