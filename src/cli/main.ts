import { Command, CommanderError } from 'commander';
import { memoryFault, messageOf, VoxError } from '../errors.js';
import { busyThreads } from '../runtime/askThread.js';
import { version } from '../version.js';
import { longOptions } from './longOptions.js';
import { print, printError } from './print.js';
import { applyUserConfig } from './userConfig.js';

/**
 * Adds each command. A command's code is loaded only if it is the one that was asked for, or for the help
 * text.
 */
const commands: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  segment: async () => (await import('./segment.js')).addSegmentCommand,
  run: async () => (await import('./run.js')).addRunCommand,
  train: async () => (await import('./train.js')).addTrainCommand,
  validate: async () => (await import('./validate.js')).addValidateCommand,
  evaluate: async () => (await import('./evaluate.js')).addEvaluateCommand,
  compare: async () => (await import('./compare.js')).addCompareCommand,
  report: async () => (await import('./report.js')).addReportCommand,
  submit: async () => (await import('./submit.js')).addSubmitCommand,
  work: async () => (await import('./work.js')).addWorkCommand,
  status: async () => (await import('./status.js')).addStatusCommand,
  collect: async () => (await import('./collect.js')).addCollectCommand,
  pause: async () => (await import('./queueControl.js')).addPauseCommand,
  resume: async () => (await import('./queueControl.js')).addResumeCommand,
  cancel: async () => (await import('./queueControl.js')).addCancelCommand,
  retry: async () => (await import('./queueControl.js')).addRetryCommand,
  drain: async () => (await import('./queueControl.js')).addDrainCommand,
  merge: async () => (await import('./merge.js')).addMergeCommand,
  models: async () => (await import('./models.js')).addModelsCommand,
  bundle: async () => (await import('./bundle.js')).addBundleCommand,
  nnunet: async () => (await import('./nnunet.js')).addNnunetCommand,
  totalseg: async () => (await import('./totalseg.js')).addTotalsegCommand,
  data: async () => (await import('./data.js')).addDataCommand,
  operators: async () => (await import('./operators.js')).addOperatorsCommand,
  schema: async () => (await import('./schema.js')).addSchemaCommand,
  doctor: async () => (await import('./doctor.js')).addDoctorCommand,
  synth: async () => (await import('./synth.js')).addSynthCommand,
  completion: async () => {
    const { addCompletionCommand } = await import('./completion.js');
    return (all) => addCompletionCommand(all, loadAll);
  },
  help: async () => {
    const { addHelpCommand } = await import('./help.js');
    return (all) => addHelpCommand(all, Object.keys(commands), load);
  },
};

/** Adds a command, unless it is there. Its errors name it. */
async function load(name: string): Promise<void> {
  if (program.commands.some((one) => one.name() === name)) return;
  const add = await commands[name]();
  add(program);
  const nameInErrors = (command: Command, path: string) => {
    command.showHelpAfterError(`(run "${path} --help" for its arguments and options)`);
    for (const one of command.commands) nameInErrors(one, `${path} ${one.name()}`);
  };
  const added = program.commands.find((one) => one.name() === name);
  if (added) nameInErrors(added, `voxstream ${name}`);
}

async function loadAll(): Promise<void> {
  for (const name of Object.keys(commands)) await load(name);
}

const program = new Command('voxstream')
  .description('Streams whole 3D medical-imaging datasets through segmentation models.')
  .version(version)
  .showHelpAfterError('(run "voxstream --help" for the commands)')
  .showSuggestionAfterError()
  // Descriptions beside long options are wrapped, too.
  .configureHelp({ minWidthToWrap: 20 })
  .configureOutput({ writeOut: print, writeErr: printError })
  .exitOverride();

// `voxstream … | head` closes the pipe early, which is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  const [, , asked] = process.argv;
  await applyUserConfig();
  if (Object.hasOwn(commands, asked)) await load(asked);
  else await loadAll();
  await program.parseAsync(longOptions(process.argv));
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 1;
  } else if ((error as NodeJS.ErrnoException | undefined)?.code === 'EMFILE') {
    // Node opens all modules of a command at once.
    printError('voxstream: too many files are open for this process. Raise the limit: ulimit -n 1024\n');
    process.exitCode = 1;
  } else {
    // Bad input is reported as a sentence. Only unexpected errors have a stack trace, and only on request.
    const debug = process.env.VOXSTREAM_DEBUG && error instanceof Error ? `\n${error.stack}` : '';
    const message = memoryFault(error) ?? messageOf(error);
    const hint =
      error instanceof VoxError || memoryFault(error) || debug
        ? ''
        : ' (unexpected; set VOXSTREAM_DEBUG=1 to see where)';
    printError(`voxstream: ${message}${hint}${debug}\n`);
    process.exitCode = 1;
  }
}

if (busyThreads() > 0) {
  printError(
    'voxstream: a thread is stuck inside its device or model, so the process is killed. All files are ' +
      'complete.\n',
  );
  process.kill(process.pid, 'SIGKILL');
}
