import { basename, join } from 'node:path';
import type { BundleConfig } from '../bundle/config/load.js';
import { runBundleTraining, trainingFolder } from '../bundle/run/train.js';
import type { TrainingPlan } from '../bundle/targets/trainer.js';
import { createRuntime } from '../runtime/runtime.js';
import { formsFolder } from '../train/train.js';
import { commandLine } from './commandLine.js';
import { print, printError } from './print.js';
import { interruptedCode, stopOnSignal } from './stopOnSignal.js';
import { oneEntry } from './terminal.js';
import { lineTraining, liveTraining } from './trainProgress.js';

/** What the command line says about a training besides its configuration. */
export interface BundleTrainFlags {
  readonly device: string;
  readonly resume: boolean;
  readonly seed: number;
  readonly monaiVersion: string | undefined;
}

/** Runs a training of a bundle and shows its progress. */
export async function trainBundle(
  plan: TrainingPlan,
  config: BundleConfig,
  { device, resume, seed, monaiVersion }: BundleTrainFlags,
): Promise<void> {
  for (const note of plan.notes) printError(`${oneEntry(`voxstream: ${note}`)}\n`);
  const progress = process.stderr.isTTY ? liveTraining(process.stderr) : lineTraining(process.stderr);
  const onWarning = (message: string) => progress.onEvent({ event: 'warning', message });
  const output = trainingFolder(plan, config.root);
  const runtime = createRuntime({ device, formsFolder: formsFolder(output), onWarning });
  const stop = stopOnSignal(() =>
    progress.say(
      'Stopping after this step or validation; the state is saved. Press Ctrl-C again to stop at once.',
    ),
  );
  try {
    const result = await runBundleTraining(plan, {
      runtime,
      device,
      files: config.configFiles,
      root: config.root,
      name: basename(config.root),
      monaiVersion,
      seed,
      resume,
      signal: stop.signal,
      command: commandLine(process.argv.slice(2)),
      onEvent: progress.onEvent,
    });
    progress.end();
    const { best, reason, checkpoints, folder, model } = result;
    const key = plan.validation?.evaluation.keyMetric;
    if (best && key) print(`${key}: ${best.value}, after epoch ${best.epoch}\n`);
    for (const file of checkpoints) print(`wrote ${file}\n`);
    if (model)
      print(`The model is in ${model}, the learning curves in ${join(folder, 'report/index.html')}.\n`);
    if (result.failed.length > 0) {
      printError(`${result.failed.length} case(s) could not be used; see ${join(folder, 'failures.csv')}.\n`);
    }
    if (reason === 'interrupted') {
      printError('Interrupted. The same command with --resume continues where this training stopped.\n');
      process.exitCode = interruptedCode;
    }
  } finally {
    progress.end();
    stop.end();
    await runtime.close();
  }
}
