import { join } from 'node:path';
import type { Command } from 'commander';
import { checkPlace } from '../address.js';
import { remakeReport } from '../pipeline/remakeReport.js';
import { type RunFolder, withRunFolders } from '../pipeline/runFolder.js';
import { subgroupsText } from '../report/subgroupMeans.js';
import { createRuntime } from '../runtime/runtime.js';
import { note } from './clip.js';
import { addPageOptions, type PageFlags, serveIfAsked, subgroupsOf } from './pageOptions.js';
import { print, printError } from './print.js';

/** `voxstream report`: makes the report of a run, and serves it on demand. */
export function addReportCommand(program: Command): void {
  const command = program
    .command('report')
    .summary('make the report of a run, and open it')
    .description(
      "Makes report/index.html in a run's folder, whether the run finished, was killed or is still running, and with " +
        'or without the sink report. Missing pictures are drawn if the images and segmentations are still where the ' +
        'run had them.',
    )
    .argument('<dir>', "the run's folder")
    .action(async (dir: string, flags: PageFlags) => {
      await withRunFolders([checkPlace(dir)], ([folder]) => makeReport(folder, flags));
    });
  addPageOptions(command);
}

async function makeReport({ path, origin, send }: RunFolder, flags: PageFlags): Promise<void> {
  const subgroups = await subgroupsOf(flags);
  const runtime = createRuntime({ device: 'cpu' });
  const made = await remakeReport(path, runtime, showProgress, {
    subgroups,
    origin,
    ...(flags.notes !== undefined && { notes: flags.notes }),
  }).finally(() => runtime.close());
  await send();
  const { folder, data, drawn, unpictured } = made;
  const counts = [`${data.cases.length} case(s)`, `${data.failures.length} failed`];
  if (drawn > 0) counts.push(`pictures drawn of ${drawn}`);
  print(`${origin(join(folder, 'index.html'))}: ${counts.join(', ')}\n`);
  if (data.run.seconds === undefined) {
    print('The run is unfinished: it is still running, or was killed. The report has the cases so far.\n');
  }
  printError(unpicturedText(unpictured));
  if (data.notesFault) printError(`${data.notesFault}\n`);
  for (const grouping of subgroups) {
    print(`\n${subgroupsText(grouping, data.cases, process.stdout.columns)}\n`);
  }
  await serveIfAsked(folder, data, flags);
}

const showProgress = (done: number, of: number) =>
  note(done < of ? `Drawing pictures: ${done}/${of} cases` : '');

/** Lists the first cases whose pictures are missing, with the reasons. */
function unpicturedText(unpictured: ReadonlyMap<string, string>): string {
  if (unpictured.size === 0) return '';
  const shown = [...unpictured].slice(0, 5).map(([id, reason]) => `  ${id}: ${reason}\n`);
  const rest = unpictured.size - shown.length;
  const more = rest > 0 ? `  and ${rest} more\n` : '';
  return `${unpictured.size} case(s) have no pictures, or not all:\n${shown.join('')}${more}`;
}
