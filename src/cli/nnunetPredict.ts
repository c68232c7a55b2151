import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { OptionError } from '../errors.js';
import { cachedNnunet } from '../models/nnunet/cachedModel.js';
import { loadPipelineData } from '../pipeline/load.js';
import { positive } from './args.js';
import { note } from './clip.js';
import { addIdle, reportIdle } from './nnunetIdle.js';
import { printError } from './print.js';
import { run } from './run.js';
import { addShared, runtimeFlags, type SharedFlags } from './sharedOptions.js';

interface PredictFlags extends SharedFlags {
  readonly i: string;
  readonly o: string;
  readonly m: string;
  readonly f?: readonly string[];
  readonly step_size: number;
  readonly disable_tta?: boolean;
  readonly save_probabilities?: boolean;
  readonly continue_prediction?: boolean;
  readonly c?: boolean;
  readonly chk?: string;
  readonly gaussian: boolean;
  readonly prev_stage_predictions?: string;
  readonly num_parts: number;
  readonly part_id: number;
}

/** `voxstream nnunet predict`: `nnUNetv2_predict_from_modelfolder`. */
export function addNnunetPredictCommand(nnunet: Command): void {
  const command = nnunet
    .command('predict')
    .summary('segment the images of a folder with a trained model folder')
    .description(
      'Segments the images CASE_0000.nii.gz, CASE_0001.nii.gz, … of a folder with a trained model folder of nnU-Net v2, and ' +
        'writes CASE.nii.gz. The arguments are those of nnUNetv2_predict_from_modelfolder. The model is imported ' +
        'once and kept in the cache.',
    )
    .requiredOption('-i <dir>', 'folder with the images')
    .requiredOption('-o <dir>', 'folder for the label maps')
    .requiredOption('-m <dir>', 'trained model folder: TRAINER__PLANS__CONFIGURATION with fold_0, fold_1, …')
    .option('-f <folds...>', 'folds, e.g. 0 1 2, or all (default: all numbered ones, else all)')
    .option('--step_size <share>', 'distance of windows as a share of a window', share, 0.5)
    .option('--disable_tta', 'no mirroring')
    .option(
      '--chk <name>',
      'name of the checkpoints (default: checkpoint_final.pth, else checkpoint_best.pth)',
    )
    .option('--save_probabilities', 'also write CASE.npz and CASE.pkl, for nnunet ensemble')
    .option('--continue_prediction', 'skip cases that an earlier run finished')
    .option('--c', 'the same as --continue_prediction')
    .option(
      '--num_parts <n>',
      'split the cases into this many parts, for several processes, each with another -o',
      positive,
      1,
    )
    .option('--part_id <n>', 'the part to segment, from 0', Number, 0)
    .option('--no-gaussian', 'weight all voxels of a window the same');
  addShared(command, 'device', 'inFlight', 'memory', 'workers', 'json');
  addIdle(command, 'npp', 'nps', 'verbose', 'disable_progress_bar')
    .addOption(new Option('--prev_stage_predictions <dir>', 'not supported').hideHelp())
    .action(async (flags: PredictFlags) => {
      process.exitCode = await predict(flags);
    });
}

function share(value: string): number {
  const found = Number(value);
  if (found >= 0.01 && found <= 1) return found;
  throw new OptionError(`-step_size must be a number from 0.01 to 1, but it is ${value}.`);
}

async function predict(flags: PredictFlags): Promise<number> {
  checkFlags(flags);
  const { folder, card } = await cachedNnunet(
    flags.m,
    { ...(flags.f && { folds: flags.f }), ...(flags.chk && { checkpoint: flags.chk }) },
    { onBuild: (name) => note(`Importing ${name} …`), onNote: (text) => printError(`${text}\n`) },
  ).finally(() => note(''));
  const { device } = flags;
  const pipeline = await loadPipelineData(
    {
      name: 'nnunet-predict',
      output: flags.o,
      source: { nnunetImages: { dir: flags.i, channels: card.channels.length, fileEnding: card.fileEnding } },
      steps: [
        'load',
        {
          nnunet: {
            model: folder,
            mirroring: !flags.disable_tta,
            stepSize: flags.step_size,
            gaussian: flags.gaussian,
            probabilities: flags.save_probabilities ?? false,
          },
        },
      ],
      sinks: [
        { nifti: { keys: 'pred', postfix: '' } },
        ...(flags.save_probabilities ? [{ nnunetProbabilities: { reader: card.reader } }] : []),
      ],
      runtime: { ...runtimeFlags(flags), ...(device === 'mps' && { device: 'coreml' }) },
    },
    'nnunet predict',
  );
  if (card.fileEnding !== '.nii.gz') {
    printError(`Label maps are written as .nii.gz, not as ${card.fileEnding}.\n`);
  }
  const resume = flags.continue_prediction ?? flags.c ?? false;
  // A shard is counted from 1.
  const shard = { index: flags.part_id + 1, count: flags.num_parts };
  const code = await run(pipeline, {
    resume,
    overwrite: true,
    ...(flags.json && { json: true }),
    ...(flags.num_parts > 1 && { shard }),
  });
  await mkdir(flags.o, { recursive: true });
  for (const name of ['plans.json', 'dataset.json']) await copyFile(join(flags.m, name), join(flags.o, name));
  return code;
}

/** Refuses what would change the result, and names the arguments that have no effect. */
function checkFlags(flags: PredictFlags): void {
  if (flags.prev_stage_predictions) {
    throw new OptionError('-prev_stage_predictions is not supported: cascades cannot be run.');
  }
  if (!Number.isInteger(flags.part_id) || flags.part_id < 0 || flags.part_id >= flags.num_parts) {
    throw new OptionError(
      `-part_id must be a whole number from 0 to ${flags.num_parts - 1}, but it is ${flags.part_id}.`,
    );
  }
  reportIdle(flags);
}
