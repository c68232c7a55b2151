#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { messageOf, VoxError } from '../errors.js';
import { busyThreads } from '../runtime/askThread.js';
import { version } from '../version.js';
import { addCompareCommand } from './compare.js';
import { addDoctorCommand } from './doctor.js';
import { addEvaluateCommand } from './evaluate.js';
import { addModelsCommand } from './models.js';
import { addOperatorsCommand } from './operators.js';
import { addReportCommand } from './report.js';
import { addRunCommand } from './run.js';
import { addSchemaCommand } from './schema.js';
import { addSynthCommand } from './synth.js';
import { addTrainCommand } from './train.js';
import { addValidateCommand } from './validate.js';

const program = new Command('voxstream')
  .description('Streams whole 3D medical-imaging datasets through segmentation models.')
  .version(version)
  .showHelpAfterError('(run voxstream COMMAND --help for the options of a command)')
  .showSuggestionAfterError()
  .exitOverride();

addRunCommand(program);
addTrainCommand(program);
addValidateCommand(program);
addEvaluateCommand(program);
addCompareCommand(program);
addReportCommand(program);
addModelsCommand(program);
addOperatorsCommand(program);
addSchemaCommand(program);
addDoctorCommand(program);
addSynthCommand(program);

// `voxstream … | head` closes the pipe early, which is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 1;
  } else {
    // Bad input is reported as a sentence. Only unexpected errors have a stack trace, and only on request.
    const debug = process.env.VOXSTREAM_DEBUG && error instanceof Error ? `\n${error.stack}` : '';
    const hint =
      error instanceof VoxError || debug ? '' : ' (unexpected; set VOXSTREAM_DEBUG=1 to see where)';
    process.stderr.write(`voxstream: ${messageOf(error)}${hint}${debug}\n`);
    process.exitCode = 1;
  }
}

if (busyThreads() > 0) {
  process.stderr.write(
    'voxstream: a thread is stuck inside its device or model, so the process is killed. All files are ' +
      'complete.\n',
  );
  process.kill(process.pid, 'SIGKILL');
}
