import { join } from 'node:path';
import type { Command } from 'commander';
import { maskOf } from '../mask.js';
import { runtimeFor } from '../pipeline/openRun.js';
import { planText } from '../pipeline/plan.js';
import type { Pipeline } from '../pipeline/types.js';
import type { TrainEvent } from '../train/events.js';
import { trainPlanText } from '../train/plan.js';
import { formsFolder, runTraining, type TrainResult } from '../train/train.js';
import { commandLine } from './commandLine.js';
import { logFile, logName } from './logFile.js';
import { addPipelineOptions, loadFromFlags, modelFoldersOf } from './pipelineOptions.js';
import { printText } from './print.js';
import { jsonProgress, type Progress } from './progress.js';
import { addShared, type SharedFlags } from './sharedOptions.js';
import { interruptedCode, stopOnSignal } from './stopOnSignal.js';
import { lineTraining, liveTraining, quietTraining } from './trainProgress.js';

interface TrainFlags extends SharedFlags {
  readonly resume?: boolean;
  readonly finetune?: string;
}

/** Exit codes. An error before the first step gives 1. */
const exitCodes = { ok: 0, someFailed: 2, interrupted: interruptedCode } as const;

/** Adds `voxstream train`, which trains a network on a dataset. */
export function addTrainCommand(program: Command): void {
  const command = addPipelineOptions(program.command('train'))
    .summary('train a network, or train a model further')
    .description(
      'Trains a network according to the train block of a pipeline. The result is a model folder, ' +
        'OUTPUT/model. Learning curves are in OUTPUT/report, OUTPUT/train.csv and OUTPUT/tensorboard.',
    )
    .option('--resume', 'continue from the last saved state, with bit-identical results')
    .option('--overwrite', 'replace an existing training in the output folder')
    .option('--finetune <model>', 'start from a trained model instead of a new network');
  addShared(command, 'dryRun', 'json', 'quiet', 'verbose').action(
    async (files: string[], _flags: TrainFlags, command: Command) => {
      const flags = command.opts<TrainFlags>();
      const more = flags.finetune === undefined ? [] : [`train.model=${JSON.stringify(flags.finetune)}`];
      const pipeline = await loadFromFlags(files, command, more);
      if (flags.dryRun) {
        const modelFolders = modelFoldersOf(pipeline);
        const runtime = runtimeFor(pipeline, { modelFolders });
        printText((await planText(pipeline, {}, runtime)) + (await trainPlanText(pipeline, modelFolders)));
      } else process.exitCode = await train(pipeline, command.opts<TrainFlags>());
    },
  );
}

async function train(pipeline: Pipeline, flags: TrainFlags): Promise<number> {
  const progress = progressFor(flags);
  const modelFolders = modelFoldersOf(pipeline);
  const mask = maskOf(pipeline);
  const log = flags.verbose ? logFile(pipeline.output, mask) : undefined;
  const runtime = runtimeFor(pipeline, {
    modelFolders,
    formsFolder: formsFolder(pipeline.output),
    onWarning: (message) => progress.onEvent({ event: 'warning', message: mask(message) }),
  });
  const stop = stopOnSignal(() =>
    progress.say(
      'Stopping after this step or validation; the state is saved. Press Ctrl-C again to stop at once.',
    ),
  );
  try {
    const result = await runTraining(pipeline, {
      resume: flags.resume,
      overwrite: flags.overwrite,
      signal: stop.signal,
      onEvent: (event) => {
        log?.event(event);
        progress.onEvent(event);
      },
      onFault: (caseId, error) => log?.fault(caseId, error),
      runtime,
      modelFolders,
      command: commandLine(process.argv.slice(2)),
    });
    progress.end();
    if (log) progress.say(`The log is ${join(pipeline.output, logName)}.`);
    if (!flags.json && !flags.quiet) printText(mask(closingText(pipeline, result)));
    if (result.reason === 'interrupted') return exitCodes.interrupted;
    return result.failed.length > 0 ? exitCodes.someFailed : exitCodes.ok;
  } finally {
    progress.end();
    stop.end();
    await runtime.close();
  }
}

function progressFor({ json, quiet }: TrainFlags): Progress<TrainEvent> {
  if (json) return jsonProgress<TrainEvent>(process.stdout, process.stderr);
  if (quiet) return quietTraining(process.stderr);
  return process.stderr.isTTY ? liveTraining(process.stderr) : lineTraining(process.stderr);
}

function closingText(
  { output, train }: Pipeline,
  { reason, rows, best, failed, model }: TrainResult,
): string {
  const epochs = rows.at(-1)?.epoch ?? 0;
  const lines = [];
  if (best && train?.validation) {
    lines.push(`Best ${train.validation.metric}: ${best.value.toFixed(4)}, after epoch ${best.epoch}.`);
  }
  if (reason === 'earlyStopping') {
    lines.push(
      `Stopped after ${epochs} epochs: ${train?.earlyStopping?.patience} validations brought no ` +
        'improvement.',
    );
  }
  if (failed.length > 0)
    lines.push(`${failed.length} case(s) could not be used; see ${output}/failures.csv.`);
  if (model)
    lines.push(`The model is in ${output}/model, the learning curves in ${output}/report/index.html.`);
  if (reason === 'interrupted') lines.push('Interrupted. --resume continues where this training stopped.');
  return `${lines.join('\n')}\n`;
}
