import { basename } from 'node:path';
import type { Command } from 'commander';
import type { BundleConfig } from '../bundle/config/load.js';
import { runEvaluation } from '../bundle/run/evaluate.js';
import { workflowOf } from '../bundle/targets/workflow.js';
import { OptionError } from '../errors.js';
import { createRuntime } from '../runtime/runtime.js';
import { trainBundle } from './bundleTrain.js';
import { bundleWords, configOf } from './bundleWords.js';
import { print, printError } from './print.js';
import { oneEntry } from './terminal.js';

/** Adds `voxstream bundle run`. */
export function addBundleRunCommand(bundle: Command): void {
  bundle
    .command('run')
    .description(
      "run a bundle's training, inference or evaluation, with the arguments of python -m monai.bundle run",
    )
    .usage(
      '[ID] --config_file FILE [--meta_file FILE] [--args_file FILE] [--device DEVICE] [--resume] [overrides]',
    )
    .argument('[words...]', 'the arguments of python -m monai.bundle run')
    .allowUnknownOption()
    .helpOption('--help', 'show this help')
    .addHelpText(
      'after',
      "\n--device is voxstream's: auto, cpu, cuda[:0,1], tensorrt[:0], webgpu, coreml or dml.\n" +
        '--resume continues a training that was interrupted.\n' +
        'Everything else is as in MONAI: --dataset_dir PATH, --network_def#channels "[8,16]", …\n' +
        '\nExample: voxstream bundle run --config_file configs/inference.json --dataset_dir /data/Task09_Spleen\n',
    )
    .action(async () => {
      const { words, own } = bundleWords(process.argv, 'run', ['device'], ['resume']);
      await run(words, own.get('device') ?? 'auto', own.get('resume') === 'true');
    });
}

async function run(words: readonly string[], device: string, resume: boolean): Promise<void> {
  const say = (message: string) => printError(`${oneEntry(message)}\n`);
  const config = configOf(words, device);
  const { evaluations, trainings, seed } = workflowOf(config);
  for (const plan of trainings) {
    await trainBundle(plan, config, {
      device,
      resume,
      seed: seed ?? 0,
      monaiVersion: monaiVersionOf(config),
    });
  }
  if (trainings.length > 0) return;
  if (evaluations.length === 0) throw new OptionError(`The id "${config.ids.run}" runs no engine.`);
  const runtime = createRuntime({ device, onWarning: say });
  try {
    for (const plan of evaluations) {
      const { metrics } = await runEvaluation(plan, {
        runtime,
        file: config.configFiles.join(', '),
        name: basename(config.root),
        monaiVersion: monaiVersionOf(config),
        say,
      });
      for (const { name, value } of metrics) print(`${name}: ${value}\n`);
    }
  } finally {
    await runtime.close();
  }
}

/** The version of MONAI in the metadata. */
function monaiVersionOf(config: BundleConfig): string | undefined {
  const resolver = config.resolver();
  const id = '_meta_#monai_version';
  const value = resolver.has(id) ? resolver.resolve(id) : undefined;
  return typeof value === 'string' ? value : undefined;
}
