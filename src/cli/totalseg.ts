import { type Command, Option } from 'commander';
import { OptionError } from '../errors.js';
import type { TotalsegOptions } from '../operators/totalseg.js';
import { printError } from './print.js';
import type { RunFlags } from './run.js';
import { addShared, type SharedFlags, sharedOption } from './sharedOptions.js';
import { runTotalseg } from './totalsegRun.js';

/** The flags as commander gives them: TotalSegmentator's, and ours. */
interface Flags extends SharedFlags {
  readonly i: string;
  readonly o: string;
  readonly output_type: 'nifti' | 'dicom_seg' | 'dicom_rtstruct';
  readonly ml?: boolean;
  readonly task: string;
  readonly fast?: boolean;
  readonly fastest?: boolean;
  readonly roi_subset?: readonly string[];
  readonly roi_subset_robust?: readonly string[];
  readonly robust_crop?: boolean;
  readonly statistics?: boolean;
  readonly statistics_extra?: boolean;
  readonly stats_include_incomplete?: boolean;
  readonly body_seg?: boolean;
  readonly force_split?: boolean;
  readonly remove_small_blobs?: true | number;
  readonly weights?: string;
  readonly tasks?: string;
  readonly [idle: string]: unknown;
}

/** Arguments of TotalSegmentator that change nothing here: their value, and what does the same. */
const idle = {
  nr_thr_resamp: ['<n>', '--workers sets the number of threads'],
  nr_thr_saving: ['<n>', '--workers sets the number of threads'],
  nora_tag: ['<tag>', 'voxstream does not write to Nora'],
  license_number: [
    '<number>',
    'download licensed weights with totalseg_download_weights, and name their folder with --weights',
  ],
} as const;

const nearest = 'voxstream returns labels to the grid of the image by nearest neighbour';

/** Arguments that ask for what voxstream does not do: their value, and what to do instead. */
const refused = {
  preview: [
    '',
    'use --save-pipeline, and add the sink report to the file: its report has pictures of each case',
  ],
  radiomics: ['', 'voxstream computes no radiomics features; --statistics has volumes and mean intensities'],
  higher_order_resampling: ['', nearest],
  higher_order_resampling_LEGACY: ['', nearest],
  save_lowres: ['', `${nearest}, and has no output on the grid of the model`],
  save_probabilities: ['<file>', 'voxstream does not write the probabilities of this command'],
  crop_path: ['<file>', 'crop with --roi_subset or --body_seg'],
  skip_saving: ['', 'voxstream always writes the result'],
  v1_order: ['', 'labels have the numbers of TotalSegmentator 2'],
  test: ['<n>', "it serves TotalSegmentator's own tests"],
} as const;

/** `voxstream totalseg`: TotalSegmentator's command. */
export function addTotalsegCommand(program: Command): void {
  const command = program
    .command('totalseg')
    .summary("segment with TotalSegmentator's models")
    .description(
      "Segments CT and MR images with TotalSegmentator's models. The arguments are TotalSegmentator's. INPUT is an image, a " +
        'folder of images (each is a case), or a folder or .zip of a DICOM series. Without --ml, the output is a folder with ' +
        'a mask per structure.',
    )
    .requiredOption('-i <path>', 'an image, a folder of images, or a DICOM series')
    .requiredOption('-o <path>', 'folder for the masks; with --ml the label map, e.g. segmentation.nii.gz')
    .addOption(
      new Option('--ot, --output_type <type>', 'what is written')
        .choices(['nifti', 'dicom_seg', 'dicom_rtstruct'])
        .default('nifti'),
    )
    .option('--ml', 'one label map instead of a mask per structure')
    .option('--ta, --task <task>', 'the task', 'total')
    .option('-f, --fast', 'the model for 3 mm')
    .option('--ff, --fastest', 'the model for 6 mm')
    .option('--rs, --roi_subset <names...>', 'only these structures; the image is cropped to them first')
    .option('--rsr, --roi_subset_robust <names...>', 'the same, cropped by the finer model')
    .option('--rc, --robust_crop', 'crop by the model for 3 mm instead of that for 6 mm')
    .option('--bs, --body_seg', 'crop to the body first')
    .option('--fs, --force_split', 'split the image into three parts along z')
    .option(
      '--rmb, --remove_small_blobs [mm3]',
      'remove components of up to 200 mm³, or of up to this volume',
      cubicMillimetres,
    )
    .option('-s, --statistics', 'also write statistics.json: volume and mean intensity of each structure')
    .option('--statistics_extra', 'add spreads and positions to the statistics')
    .option('--sii, --stats_include_incomplete', 'measure structures at the border of the image, too')
    .option('--weights <dir>', "folder with TotalSegmentator's dataset folders (default: the cache)")
    .option('--tasks <file>', 'JSON file with classes, parts and tasks over those of the package')
    .addOption(sharedOption('device', '-d'));
  addShared(
    command,
    'inFlight',
    'memory',
    'workers',
    'resume',
    'overwrite',
    'dryRun',
    'savePipeline',
    'json',
  );
  command.addOption(sharedOption('quiet', '-q')).addOption(sharedOption('verbose', '-v'));
  const shorts: Readonly<Record<string, string>> = {
    nr_thr_resamp: '--nr, ',
    nr_thr_saving: '--ns, ',
    nora_tag: '-t, ',
    license_number: '-l, ',
    preview: '-p, ',
    radiomics: '-r, ',
    higher_order_resampling: '--ho, ',
    save_probabilities: '--sp, ',
    crop_path: '--cp, ',
    skip_saving: '--ss, ',
    v1_order: '--v1o, ',
  };
  for (const [name, [value]] of [...Object.entries(idle), ...Object.entries(refused)]) {
    command.addOption(
      new Option(`${shorts[name] ?? ''}--${name} ${value}`.trim(), 'not supported').hideHelp(),
    );
  }
  command.action(async (flags: Flags) => {
    checkFlags(flags);
    process.exitCode = await runTotalseg(totalsegOptions(flags), {
      input: flags.i,
      output: flags.o,
      outputType: flags.output_type,
      multilabel: flags.ml ?? false,
      flags: runFlags(flags),
      savePipeline: flags.savePipeline,
    });
  });
}

function cubicMillimetres(value: string): number {
  const found = Number(value);
  if (found >= 0 && value.trim() !== '') return found;
  throw new OptionError(`--remove_small_blobs must be a volume in mm³, but it is ${value}.`);
}

/** Refuses what voxstream does not do, and names the arguments that have no effect. */
function checkFlags(flags: Flags): void {
  const asked = Object.entries(refused).filter(([name]) => flags[name] !== undefined);
  if (asked.length > 0) {
    throw new OptionError(asked.map(([name, [, why]]) => `--${name} is not supported: ${why}.`).join('\n'));
  }
  if (flags.roi_subset && flags.roi_subset_robust) {
    throw new OptionError('--roi_subset and --roi_subset_robust cannot be given together.');
  }
  if (flags.fast && flags.fastest) throw new OptionError('--fast and --fastest cannot be given together.');
  if (flags.statistics_extra && flags.fast) {
    printError('--statistics_extra has no effect with --fast: it measures at the full resolution only.\n');
  }
  for (const [name, [, instead]] of Object.entries(idle)) {
    if (flags[name] !== undefined) printError(`--${name} has no effect: ${instead}.\n`);
  }
}

function totalsegOptions(flags: Flags): TotalsegOptions {
  const subset = flags.roi_subset_robust ?? flags.roi_subset;
  return {
    task: flags.task,
    fast: flags.fast ?? false,
    fastest: flags.fastest ?? false,
    roiSubset: subset && [...subset],
    robustCrop: flags.robust_crop ?? flags.roi_subset_robust !== undefined,
    forceSplit: flags.force_split ?? false,
    bodySeg: flags.body_seg ?? false,
    removeSmallBlobs: flags.remove_small_blobs ?? false,
    statistics: flags.statistics ?? flags.statistics_extra ?? false,
    statisticsExtra: (flags.statistics_extra ?? false) && !flags.fast,
    statisticsAtBorder: flags.stats_include_incomplete ?? false,
    stored: undefined,
    weights: flags.weights,
    tasks: flags.tasks,
    key: 'image',
    output: 'pred',
  };
}

/** The device under the names that TotalSegmentator gives it. */
function deviceOf(device: string | undefined): string | undefined {
  if (device === 'gpu') return 'cuda';
  if (device === 'mps') return 'coreml';
  return device?.replace(/^gpu:/, 'cuda:');
}

function runFlags(flags: Flags): RunFlags {
  const { resume, overwrite, json, quiet, verbose, dryRun, inFlight, memory, workers } = flags;
  return {
    resume,
    overwrite,
    json,
    quiet,
    verbose,
    dryRun,
    inFlight,
    memory,
    workers,
    device: deviceOf(flags.device),
  };
}
