import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Command, InvalidArgumentError } from 'commander';
import { OptionError } from '../errors.js';
import { serveReport } from '../report/serve.js';
import { readSubgroups, type Subgrouping } from '../report/subgroups.js';
import type { ViewedCases } from '../report/viewerPage.js';
import { collect } from './args.js';
import { printError } from './print.js';

/** The options of commands that make a page of cases. */
export interface PageFlags {
  readonly notes?: string;
  readonly subgroups?: string;
  readonly by?: readonly string[];
  readonly open?: boolean;
  readonly port?: number;
}

/** Adds the options of a command that makes a page of cases. */
export function addPageOptions(command: Command): Command {
  return command
    .option('--notes <file>', 'add the notes that the page saved as notes.json')
    .option('--subgroups <file>', 'a CSV file with a row per case, for --by')
    .option(
      '--by <column>',
      'divide the cases by this column of --subgroups, e.g. scanner; may be given again',
      collect,
    )
    .option('--open', 'serve the page on 127.0.0.1 with 3D views, and open the browser ($BROWSER)')
    .option('--port <n>', 'serve the page on this port; default: any free port', port);
}

/** The columns that `--subgroups` and `--by` name. */
export async function subgroupsOf({ subgroups, by = [] }: PageFlags): Promise<Subgrouping[]> {
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

/** Serves a page until Ctrl-C, if `--open` or `--port` asks for it. */
export async function serveIfAsked(
  folder: string,
  data: ViewedCases,
  { open, port: chosen }: PageFlags,
): Promise<void> {
  if (!open && chosen === undefined) return;
  const served = await serveReport(folder, data, chosen);
  printError(`Serving the report at ${served.url} (this computer only). Press Ctrl-C to stop.\n`);
  if (open) openBrowser(served.url);
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
