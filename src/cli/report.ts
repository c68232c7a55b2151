import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { remakeReport } from '../pipeline/remakeReport.js';
import { serveReport } from '../report/serve.js';
import { createRuntime } from '../runtime/runtime.js';
import { note } from './terminal.js';

interface ReportFlags {
  readonly open?: boolean;
  readonly port?: number;
}

/** `voxstream report`: makes the report of a run's folder, and shows it. */
export function addReportCommand(program: Command): void {
  program
    .command('report')
    .summary('make the report of a run, and look at it')
    .description(
      "Makes report/index.html in a run's folder from what the run left there, whether it ended or was killed, and with or " +
        'without the sink report. Pictures that are missing are made, as long as the images and segmentations are still ' +
        'where the run had them.',
    )
    .argument('<dir>', "the run's folder")
    .option('--open', 'serve it on 127.0.0.1 with a view in 3D of each case, and open the browser ($BROWSER)')
    .option('--port <n>', 'the port to serve it on; any that is free by default', port)
    .action(async (dir: string, flags: ReportFlags) => {
      const runtime = createRuntime({ device: 'cpu' });
      const made = await remakeReport(dir, runtime, showProgress).finally(() => runtime.close());
      const { folder, data, drawn, unpictured } = made;
      const counts = [`${data.cases.length} case(s)`, `${data.failures.length} failed`];
      if (drawn > 0) counts.push(`pictures made of ${drawn}`);
      process.stdout.write(`${join(folder, 'index.html')}: ${counts.join(', ')}\n`);
      if (data.run.seconds === undefined) {
        process.stdout.write(
          'The run has not ended: it was killed, or is still going on. These are the cases so far.\n',
        );
      }
      process.stderr.write(unpicturedText(unpictured));
      if (flags.open || flags.port !== undefined) await showUntilStopped(made, flags);
    });
}

function port(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isInteger(number) || number < 0 || number > 65535)
    throw new InvalidArgumentError('It must be a whole number from 0 to 65535.');
  return number;
}

const showProgress = (done: number, of: number) =>
  note(done < of ? `Drawing pictures: ${done}/${of} cases` : '');

/** The cases whose pictures are missing, by reason; the first ones when they are many. */
function unpicturedText(unpictured: ReadonlyMap<string, string>): string {
  if (unpictured.size === 0) return '';
  const shown = [...unpictured].slice(0, 5).map(([id, reason]) => `  ${id}: ${reason}\n`);
  const rest = unpictured.size - shown.length;
  const more = rest > 0 ? `  and ${rest} more\n` : '';
  return `Pictures are missing, in whole or in part, of ${unpictured.size} case(s):\n${shown.join('')}${more}`;
}

async function showUntilStopped(
  { folder, data }: Awaited<ReturnType<typeof remakeReport>>,
  flags: ReportFlags,
): Promise<void> {
  const served = await serveReport(folder, data, flags.port);
  process.stdout.write(`Serving it at ${served.url} (this computer only); Ctrl-C ends it.\n`);
  if (flags.open) openBrowser(served.url);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await served.close();
}

/** Opens an address in the browser, if that can be done: the address has been printed in any case. */
function openBrowser(url: string): void {
  const openers: Partial<Record<NodeJS.Platform, readonly string[]>> = {
    darwin: ['open'],
    win32: ['cmd', '/c', 'start', '""'],
  };
  const [command, ...args] = process.env.BROWSER
    ? [process.env.BROWSER]
    : (openers[process.platform] ?? ['xdg-open']);
  spawn(command, [...args, url], { stdio: 'ignore', detached: true })
    .on('error', () => process.stderr.write('No browser could be opened; open the address above yourself.\n'))
    .unref();
}
