import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { checkPlace } from '../address.js';
import { OptionError } from '../errors.js';
import { remakeReport } from '../pipeline/remakeReport.js';
import { type RunFolder, withRunFolders } from '../pipeline/runFolder.js';
import { serveReport } from '../report/serve.js';
import { readSubgroups, type Subgrouping } from '../report/subgroups.js';
import { createRuntime } from '../runtime/runtime.js';
import { collect } from './args.js';
import { note } from './clip.js';
import { print, printError } from './print.js';

interface ReportFlags {
  readonly open?: boolean;
  readonly port?: number;
  readonly notes?: string;
  readonly subgroups?: string;
  readonly by?: readonly string[];
}

/** `voxstream report`: makes the report of a run, and serves it on demand. */
export function addReportCommand(program: Command): void {
  program
    .command('report')
    .summary('make the report of a run, and open it')
    .description(
      "Makes report/index.html in a run's folder, whether the run finished, was killed or is still running, and with " +
        'or without the sink report. Missing pictures are drawn if the images and segmentations are still where the ' +
        'run had them.',
    )
    .argument('<dir>', "the run's folder")
    .option('--notes <file>', 'add the notes that the page saved as notes.json')
    .option('--subgroups <file>', 'a CSV file with a row per case, for --by')
    .option(
      '--by <column>',
      'divide the cases by this column of --subgroups, e.g. scanner; may be given again',
      collect,
    )
    .option('--open', 'serve the report on 127.0.0.1 with 3D views, and open the browser ($BROWSER)')
    .option('--port <n>', 'serve the report on this port; default: any free port', port)
    .action(async (dir: string, flags: ReportFlags) => {
      await withRunFolders([checkPlace(dir)], ([folder]) => makeReport(folder, flags));
    });
}

async function makeReport({ path, origin, send }: RunFolder, flags: ReportFlags): Promise<void> {
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
  if (flags.open || flags.port !== undefined) await showUntilStopped(made, flags);
}

/** The columns that `--subgroups` and `--by` name. */
async function subgroupsOf({ subgroups, by = [] }: ReportFlags): Promise<Subgrouping[]> {
  if ((subgroups === undefined) !== (by.length === 0)) {
    throw new OptionError(
      '--subgroups and --by go together: --subgroups FILE.csv names the file, and --by COLUMN the column of it, ' +
        'e.g. --subgroups scans.csv --by scanner.',
    );
  }
  return subgroups === undefined ? [] : readSubgroups(subgroups, by);
}

function port(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isInteger(number) || number < 0 || number > 65535)
    throw new InvalidArgumentError('It must be a whole number from 0 to 65535.');
  return number;
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

async function showUntilStopped(
  { folder, data }: Awaited<ReturnType<typeof remakeReport>>,
  flags: ReportFlags,
): Promise<void> {
  const served = await serveReport(folder, data, flags.port);
  print(`Serving the report at ${served.url} (this computer only). Press Ctrl-C to stop.\n`);
  if (flags.open) openBrowser(served.url);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await served.close();
}

/** Opens an address in the browser. If that fails, the user still has the printed address. */
function openBrowser(url: string): void {
  const openers: Partial<Record<NodeJS.Platform, readonly string[]>> = {
    darwin: ['open'],
    win32: ['cmd', '/c', 'start', '""'],
  };
  const [command, ...args] = process.env.BROWSER
    ? [process.env.BROWSER]
    : (openers[process.platform] ?? ['xdg-open']);
  spawn(command, [...args, url], { stdio: 'ignore', detached: true })
    .on('error', () => printError('The browser could not be started. Open the address above yourself.\n'))
    .unref();
}
