import { type Command, Option } from 'commander';
import { printError } from './print.js';

const threads = '--workers and --in-flight set the number of threads and open cases';

/** Arguments of nnU-Net that change nothing here: as nnU-Net writes them, their value, and why. */
const idle = {
  np: ['-np', '<n>', 'voxstream chooses the number of threads'],
  npp: ['-npp', '<n>', threads],
  nps: ['-nps', '<n>', threads],
  plans_json: ['-plans_json', '<file>', 'the rules name labels, so the plans are not needed'],
  verbose: ['--verbose', '', '--json prints all events'],
  disable_progress_bar: ['--disable_progress_bar', '', '--json replaces the progress display'],
} as const;

type IdleName = keyof typeof idle;

/** Those that are given. */
export type IdleFlags = Readonly<Partial<Record<IdleName, unknown>>>;

/** Adds arguments that are accepted without effect, with a message. */
export function addIdle(command: Command, ...names: readonly IdleName[]): Command {
  for (const name of names) {
    command.addOption(new Option(`--${name} ${idle[name][1]}`.trim(), 'no effect').hideHelp());
  }
  return command;
}

/** Prints a line for each given argument that has no effect. */
export function reportIdle(flags: IdleFlags): void {
  for (const [name, [written, , why]] of Object.entries(idle)) {
    if (flags[name as IdleName] !== undefined) printError(`${written} has no effect: ${why}.\n`);
  }
}
