import type { Command } from 'commander';
import { cancel, drain, pause, resume, retryFailed } from '../queue/control.js';
import type { Store } from '../queue/store.js';
import { printText } from './print.js';
import { addQueueOption, onQueue, type QueueFlags } from './queueOptions.js';

/** A command that does one thing with a run, and says what it did. */
function control(
  name: string,
  summary: string,
  description: string,
  act: (store: Store, run: string) => Promise<string>,
): (program: Command) => void {
  return (program) => {
    addQueueOption(
      program
        .command(name)
        .summary(summary)
        .description(description)
        .argument('<run>', 'the name of the run'),
    ).action(async (run: string, flags: QueueFlags) =>
      printText(`${await onQueue(flags, (store) => act(store, run))}\n`),
    );
  };
}

export const addPauseCommand = control(
  'pause',
  'pause a queued run',
  'Pauses a queued run: no more cases start, and open ones are finished.',
  async (store, run) => {
    await pause(store, run);
    return `The run ${run} is paused. Open cases are finished.`;
  },
);

export const addResumeCommand = control(
  'resume',
  'resume a paused run',
  'Resumes a paused run: its cases start again.',
  async (store, run) => {
    await resume(store, run);
    return `The run ${run} continues.`;
  },
);

export const addCancelCommand = control(
  'cancel',
  'end a queued run',
  'Ends a queued run. Waiting cases are removed and open ones abandoned; results stay.',
  async (store, run) => {
    const how = await cancel(store, run);
    return how === 'removed' ? `The run ${run} was over and is removed.` : `The run ${run} is cancelled.`;
  },
);

/** Adds `voxstream retry`. */
export function addRetryCommand(program: Command): void {
  addQueueOption(program.command('retry'))
    .summary('put failed cases on the queue again')
    .description('Puts the failed cases of a queued run on the queue again.')
    .argument('<run>', 'the name of the run')
    .requiredOption('--failed', 'the cases that failed or were set aside')
    .action(async (run: string, flags: QueueFlags) => {
      const count = await onQueue(flags, (store) => retryFailed(store, run));
      printText(
        count === 0 ? `No case of ${run} failed.\n` : `${count} case(s) of ${run} are on the queue again.\n`,
      );
    });
}

/** Adds `voxstream drain`. */
export function addDrainCommand(program: Command): void {
  addQueueOption(program.command('drain'))
    .summary('end the workers of a queue')
    .description(
      'Asks the workers of a queue to finish their open cases and end. Waiting cases stay on the queue.',
    )
    .argument('[run]', 'only the workers of this run')
    .action(async (run: string | undefined, flags: QueueFlags) => {
      const count = await onQueue(flags, (store) => drain(store, run));
      printText(`${count} worker(s) finish their open cases and end.\n`);
    });
}
