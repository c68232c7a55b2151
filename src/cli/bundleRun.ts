import { basename } from 'node:path';
import type { Command } from 'commander';
import type { BundleConfig } from '../bundle/config/load.js';
import { workflowOf } from '../bundle/targets/workflow.js';
import { OptionError } from '../errors.js';
import { parseBytes } from '../optionTypes.js';
import { createRuntime } from '../runtime/runtime.js';
import { memoryFault } from './args.js';
import { bundleWords, configOf } from './bundleWords.js';
import { print, printError } from './print.js';
import { interruptedCode, stopOnSignal } from './stopOnSignal.js';
import { oneEntry } from './terminal.js';

/** Adds `voxstream bundle run`. */
export function addBundleRunCommand(bundle: Command): void {
  bundle
    .command('run')
    .summary("run a bundle's training, inference or evaluation")
    .description(
      "Runs a bundle's training, inference or evaluation, with the arguments of python -m monai.bundle run.",
    )
    .usage(
      '[ID] --config_file FILE [--meta_file FILE] [--args_file FILE] [--device DEVICE] [--in-flight N] [--memory SIZE] [--resume] [overrides]',
    )
    .argument('[words...]', 'the arguments of python -m monai.bundle run')
    .allowUnknownOption()
    .helpOption('--help', 'show this help')
    .addHelpText(
      'after',
      "\n--device is voxstream's: auto, cpu, cuda[:0,1], tensorrt[:0], webgpu, coreml or\n" +
        'dml. --in-flight N and --memory SIZE limit the cases in progress, as for\n' +
        '"voxstream run". --resume continues a training that was interrupted. All other\n' +
        'arguments are those of MONAI, e.g. --dataset_dir PATH or\n' +
        '--network_def#channels "[8,16]".\n\n' +
        'Example: voxstream bundle run --config_file configs/inference.json \\\n' +
        '           --dataset_dir /data/Task09_Spleen\n',
    )
    .action(async () => {
      const { words, own } = bundleWords(process.argv, 'run', ['device', 'in-flight', 'memory'], ['resume']);
      await run(words, own);
    });
}

async function run(words: readonly string[], own: ReadonlyMap<string, string>): Promise<void> {
  const device = own.get('device') ?? 'auto';
  const limits = limitsOf(own);
  const say = (message: string) => printError(`${oneEntry(message)}\n`);
  const config = configOf(words, device);
  const { evaluations, trainings, seed } = workflowOf(config);
  // Loaded late, so that a configuration that cannot run is refused at once.
  const { trainBundle } = await import('./bundleTrain.js');
  const { runEvaluation } = await import('../bundle/run/evaluate.js');
  for (const plan of trainings) {
    await trainBundle(plan, config, {
      device,
      resume: own.get('resume') === 'true',
      seed: seed ?? 0,
      monaiVersion: monaiVersionOf(config),
    });
  }
  if (trainings.length > 0) return;
  if (evaluations.length === 0) throw new OptionError(`The id "${config.ids.run}" runs no engine.`);
  const runtime = createRuntime({ device, onWarning: say });
  const stop = stopOnSignal(() =>
    say(
      'Stopping: no new cases are started, and open ones are abandoned. Press Ctrl-C again to stop at once.',
    ),
  );
  try {
    for (const plan of evaluations) {
      const { metrics, done, interrupted } = await runEvaluation(plan, {
        runtime,
        ...limits,
        signal: stop.signal,
        file: config.configFiles.join(', '),
        name: basename(config.root),
        monaiVersion: monaiVersionOf(config),
        say,
      });
      for (const { name, value } of metrics) print(`${name}: ${value}\n`);
      if (!interrupted) continue;
      say(
        `Interrupted: ${done} of ${plan.cases.length} cases are done and keep their files. No metrics were written.`,
      );
      process.exitCode = interruptedCode;
      return;
    }
  } finally {
    stop.end();
    await runtime.close();
  }
}

/** `--in-flight` and `--memory`. */
function limitsOf(own: ReadonlyMap<string, string>): { inFlight?: number; memory?: number } {
  const [inFlight, memory] = [own.get('in-flight'), own.get('memory')];
  const fault = memory === undefined ? undefined : memoryFault(memory);
  if (fault) throw new OptionError(`--memory must be ${fault}, but it is "${memory}".`);
  const bytes = memory === undefined ? undefined : parseBytes(memory);
  if (inFlight !== undefined && !/^[1-9]\d*$/.test(inFlight)) {
    throw new OptionError(`--in-flight must be a whole number, 1 or more, but it is "${inFlight}".`);
  }
  return { ...(inFlight && { inFlight: Number(inFlight) }), ...(bytes && { memory: bytes }) };
}

/** The version of MONAI in the metadata. */
function monaiVersionOf(config: BundleConfig): string | undefined {
  const resolver = config.resolver();
  const id = '_meta_#monai_version';
  const value = resolver.has(id) ? resolver.resolve(id) : undefined;
  return typeof value === 'string' ? value : undefined;
}
