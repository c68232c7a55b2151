import { Command, CommanderError } from 'commander';
import { memoryFault, messageOf, VoxError } from '../errors.js';
import { busyThreads } from '../runtime/askThread.js';
import { version } from '../version.js';
import { lazyCommands } from './commands.js';
import { longOptions } from './longOptions.js';
import { print, printError } from './print.js';
import { applyUserConfig } from './userConfig.js';

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
  // Help comes even if the user's configuration is faulty.
  if (asked !== 'help' && !process.argv.includes('--help')) await applyUserConfig();
  const commands = lazyCommands(program);
  if (commands.names.includes(asked)) await commands.load(asked);
  else await commands.loadAll();
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
