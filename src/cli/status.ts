import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { type QueueStatus, queueStatus, type RunStatus, type WorkerStatus } from '../queue/status.js';
import { showWholeSeconds } from '../report/text.js';
import { clip } from './clip.js';
import { liveFooter } from './liveFooter.js';
import { print } from './print.js';
import { addQueueOption, onQueue, type QueueFlags } from './queueOptions.js';
import { interruptedCode, stopOnSignal } from './stopOnSignal.js';
import { columnLines } from './terminal.js';

interface StatusFlags extends QueueFlags {
  readonly json?: boolean;
  readonly once?: boolean;
}

/** Adds `voxstream status`, which shows the runs and workers of a queue. */
export function addStatusCommand(program: Command): void {
  addQueueOption(program.command('status'))
    .summary('show the runs and workers of a queue')
    .description(
      'Shows the runs and workers of a queue. On a terminal, the table is drawn again every second until Ctrl-C.',
    )
    .argument('[run]', 'show this run only')
    .option('--json', 'print the status once, as JSON')
    .option('--once', 'print the table once')
    .action(async (run: string | undefined, flags: StatusFlags) => {
      await onQueue(flags, async (store) => {
        if (process.stdout.isTTY && !flags.json && !flags.once) {
          await showLive(() => queueStatus(store, run));
          return;
        }
        const status = await queueStatus(store, run);
        print(flags.json ? `${JSON.stringify(status, null, 2)}\n` : `${statusLines(status).join('\n')}\n`);
      });
    });
}

async function showLive(read: () => Promise<QueueStatus>): Promise<void> {
  const stop = stopOnSignal(() => {});
  let lines = statusLines(await read());
  const footer = liveFooter(process.stdout, (width) => lines.map((line) => clip(line, width)));
  try {
    while (!stop.signal.aborted) {
      await sleep(1000, undefined, { signal: stop.signal }).catch(() => {});
      if (!stop.signal.aborted) lines = statusLines(await read());
    }
    process.exitCode = interruptedCode;
  } finally {
    footer.end();
    stop.end();
    print(`${lines.join('\n')}\n`);
  }
}

/** The tables of runs and workers. */
export function statusLines({ runs, workers }: QueueStatus): string[] {
  if (runs.length === 0) return ['The queue holds no runs.'];
  const listed = workers.filter(({ left }) => !left);
  return [
    ...columnLines([
      ['run', 'state', 'waiting', 'active', 'delayed', 'done', 'failed', 'output'],
      ...runs.map(runRow),
    ]),
    '',
    ...(listed.length === 0
      ? ['No worker is here. Start one with "voxstream work".']
      : columnLines([
          ['worker', 'device', 'run', 'open', 'done', 'failed', 'cases/h', 'last seen'],
          ...listed.map(workerRow),
        ])),
  ];
}

function runRow({ name, state, waiting, active, delayed, done, failed, output }: RunStatus): string[] {
  return [name, state, ...[waiting, active, delayed, done, failed].map(String), output];
}

function workerRow({
  id,
  device,
  run = '',
  open,
  done,
  failed,
  casesPerHour,
  lastSeen,
}: WorkerStatus): string[] {
  const counts = [open, done, failed, casesPerHour].map(String);
  return [id, device || '-', run || 'waits', ...counts, `${showWholeSeconds(lastSeen)} ago`];
}
