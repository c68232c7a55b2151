import type { Command } from 'commander';
import { cancel, drain, pause, resume, retryFailed } from '../queue/control.js';
import type { Store } from '../queue/store.js';
import { print } from './print.js';
import { addQueueOption, onQueue, type QueueFlags } from './queueOptions.js';

/** A command that does one thing with a run, and says what it did. */
function control(
  name: string,
  description: string,
  act: (store: Store, run: string) => Promise<string>,
): (program: Command) => void {
  return (program) => {
    addQueueOption(
      program.command(name).description(description).argument('<run>', 'the name of the run'),
    ).action(async (run: string, flags: QueueFlags) =>
      print(`${await onQueue(flags, (store) => act(store, run))}\n`),
    );
  };
}

export const addPauseCommand = control(
  'pause',
  'let no more cases of a queued run start',
  async (store, run) => {
    await pause(store, run);
    return `The run ${run} is paused. Open cases are finished.`;
  },
);

export const addResumeCommand = control(
  'resume',
  'let the cases of a paused run start again',
  async (store, run) => {
    await resume(store, run);
    return `The run ${run} goes on.`;
  },
);

export const addCancelCommand = control(
  'cancel',
  'end a queued run: waiting cases are removed, open ones abandoned; results stay',
  async (store, run) => {
    const how = await cancel(store, run);
    return how === 'removed' ? `The run ${run} was over and is removed.` : `The run ${run} is cancelled.`;
  },
);

/** Adds `voxstream retry`. */
export function addRetryCommand(program: Command): void {
  addQueueOption(program.command('retry'))
    .description('put the failed cases of a queued run on the queue again')
    .argument('<run>', 'the name of the run')
    .requiredOption('--failed', 'the cases that failed or were set aside')
    .action(async (run: string, flags: QueueFlags) => {
      const count = await onQueue(flags, (store) => retryFailed(store, run));
      print(
        count === 0 ? `No case of ${run} failed.\n` : `${count} case(s) of ${run} are on the queue again.\n`,
      );
    });
}

/** Adds `voxstream drain`. */
export function addDrainCommand(program: Command): void {
  addQueueOption(program.command('drain'))
    .description('ask the workers of a queue to finish their open cases and end; waiting cases stay')
    .argument('[run]', 'only the workers of this run')
    .action(async (run: string | undefined, flags: QueueFlags) => {
      const count = await onQueue(flags, (store) => drain(store, run));
      print(`${count} worker(s) are asked to leave.\n`);
    });
}
