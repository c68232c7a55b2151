import type { Command } from 'commander';
import { absolutePlace, checkPlace } from '../address.js';
import { loadRegistry } from '../pipeline/extensions.js';
import { checkVersion } from '../queue/checkSame.js';
import { collect as collectResults } from '../queue/collect.js';
import { Results } from '../queue/results.js';
import { pipelineOf } from '../queue/spec.js';
import { printError, printText } from './print.js';
import { sharedOption } from './sharedOptions.js';

/** Adds `voxstream collect`, which writes the tables of a queued run. */
export function addCollectCommand(program: Command): void {
  program
    .command('collect')
    .summary('write the tables of a queued run')
    .description(
      'Writes the tables, the summary, failures.csv and the report of a queued run from the cases that are finished, ' +
        'also while others still run. It needs the output folder only, not the queue. The worker that finishes the ' +
        'last case does it too.',
    )
    .argument('<dir>', 'the output folder of the run')
    .addOption(sharedOption('use'))
    .action(async (dir: string, { use = [] }: { readonly use?: readonly string[] }) => {
      const results = new Results(absolutePlace(checkPlace(dir)));
      const spec = await results.spec();
      checkVersion(spec);
      const pipeline = await pipelineOf(
        { ...spec, output: results.output },
        { registry: await loadRegistry(use) },
      );
      const onWarning = (message: string) => printError(`Warning: ${message}\n`);
      const { done, failed, open, problems } = await collectResults(results, spec, pipeline, onWarning);
      for (const problem of problems) onWarning(problem);
      const counts = [
        `${done} case(s) done`,
        `${failed} failed`,
        ...(open > 0 ? [`${open} not finished`] : []),
      ];
      printText(`${dir}: ${counts.join(', ')}\n`);
      process.exitCode = failed + open + problems.length > 0 ? 2 : 0;
    });
}
