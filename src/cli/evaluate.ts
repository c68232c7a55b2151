import { type Command, InvalidArgumentError, Option } from 'commander';
import { checkPlace, folderOf as folderOfPlace, joinPlace, nameOf } from '../address.js';
import { OptionError, show, unknownName } from '../errors.js';
import type { UndefinedAs } from '../metrics/summary.js';
import type { Metric } from '../operators/defineMetric.js';
import { loadRegistry } from '../pipeline/extensions.js';
import { parsePipeline } from '../pipeline/load.js';
import type { Registry } from '../pipeline/registry.js';
import type { Pipeline } from '../pipeline/types.js';
import { readSmall } from '../storage/places.js';
import { commaList } from './args.js';
import { runAnyway } from './run.js';
import { addShared, type SharedFlags } from './sharedOptions.js';

interface EvaluateFlags extends SharedFlags {
  readonly pred: string;
  readonly label: string;
  readonly output: string;
  readonly metrics: readonly string[];
  readonly tolerance?: number;
  readonly labels?: readonly (string | number)[];
  readonly includeBackground: boolean;
  readonly names?: string;
  readonly predPostfix?: string;
  readonly labelPostfix?: string;
  readonly resample?: boolean;
  readonly image?: string;
  readonly undefinedAs: UndefinedAs;
}

const defaultMetrics = ['dice', 'iou', 'hd', 'hd95', 'assd', 'nsd', 'confusion', 'volume'];

/** `voxstream evaluate`: compares existing segmentations with references. */
export function addEvaluateCommand(program: Command): void {
  const command = program
    .command('evaluate')
    .summary('compare existing segmentations with references')
    .description(
      'Pairs predictions with references by their file names, and writes one row of metrics per case, with summary.json ' +
        'and failures.csv beside it. Both are folders, two files, or patterns with {case} if folders name the ' +
        'cases: "out/{case}/spleen.nii.gz". It reads the output of nnU-Net, TotalSegmentator, MONAI, voxstream and others.',
    )
    .requiredOption(
      '--pred <dir>',
      'folder of the predictions (CASE_anything.nii.gz is a prediction for CASE), or a file',
    )
    .requiredOption('--label <dir>', 'folder of the references, or a file')
    .option(
      '-o, --output <path>',
      'the folder for the results, or the path of the CSV file in it',
      'results/evaluate',
    )
    .addOption(
      new Option(
        '--metrics <list>',
        'which metrics, by the name of an operator or of a value, e.g. hausdorff or hd95',
      )
        .argParser(commaList)
        .default(defaultMetrics, defaultMetrics.join(',')),
    )
    .option('--tolerance <mm>', 'how far surfaces may lie apart for nsd, in mm (default: 3)', tolerance)
    .option('--labels <list>', 'labels to measure, by number or name (default: all)', labelList)
    .option('--include-background', 'measure label 0 as well', false)
    .option('--names <file>', 'JSON file with the names of labels under "labels", e.g. dataset.json')
    .option('--pred-postfix <text>', 'only predictions whose name ends in this, e.g. _seg')
    .option('--label-postfix <text>', 'only references whose name ends in this')
    .option('--resample', 'put predictions on the grid of their reference (nearest voxel, 0 outside)')
    .option('--image <dir>', 'folder of the images, or a pattern with {case}, for the pictures of the report')
    .addOption(
      new Option('--undefined-as <how>', 'how the summary counts undefined and infinite values')
        .choices(['leftOut', 'worst'])
        .default('leftOut'),
    )
    .option('--overwrite', 'replace files that no run in the output folder is known to have written');
  addShared(
    command,
    'report',
    'use',
    'inFlight',
    'workers',
    'resume',
    'full',
    'json',
    'quiet',
    'verbose',
  ).action(async (flags: EvaluateFlags) => {
    await checkOutput(flags.output);
    const pipeline = evaluation(flags, await loadRegistry(flags.use ?? []));
    const { resume, overwrite, json, full, quiet, verbose } = flags;
    process.exitCode = await runAnyway(pipeline, { resume, overwrite, json, full, quiet, verbose });
  });
}

/** True for the path of a CSV file; other outputs are folders. */
function isCsv(output: string): boolean {
  return /\.csv$/i.test(output);
}

function folderOf(output: string): string {
  return isCsv(output) ? folderOfPlace(output) : output;
}

/** The pipeline that compares pairs of files. */
function evaluation(flags: EvaluateFlags, registry: Registry): Pipeline {
  const { pred, label, predPostfix, labelPostfix, names, undefinedAs } = flags;
  const { inFlight, workers, output, image } = flags;
  const steps = [
    { id: 'loadLabel', load: { keys: 'label' } },
    { id: 'loadPred', load: { keys: 'pred' } },
    ...(flags.resample ? [{ resampleToMatch: { paddingMode: 'zeros' } }] : []),
    ...metricSteps(flags, registry),
  ];
  const pipeline = {
    name: 'evaluate',
    output: folderOf(output),
    source: { pairs: { pred, label, image, predPostfix, labelPostfix, names } },
    steps,
    sinks: [
      { metricsCsv: { path: isCsv(output) ? nameOf(output) : 'metrics.csv' } },
      { summary: { undefinedAs } },
      ...(flags.report ? ['report'] : []),
    ],
    runtime: { inFlight, workers },
  };
  return parsePipeline(JSON.stringify(pipeline), 'evaluate', { registry });
}

/**
 * The steps that measure what `--metrics` lists: names of operators (`hausdorff`) or of their values
 * (`hd95`).
 */
function metricSteps(
  { metrics, labels, includeBackground, tolerance }: EvaluateFlags,
  registry: Registry,
): object[] {
  const steps = new Map<string, object>();
  for (const id of metrics) {
    const { metric, options } = findMetric(id, registry);
    const step = {
      [metric.name]: {
        ...options,
        labels,
        includeBackground,
        ...(tolerance !== undefined && 'tolerance' in metric.options && { tolerance }),
      },
    };
    // Several names may stand for the same step: sensitivity and precision are both measured by confusion.
    const key = JSON.stringify(step);
    if (!steps.has(key)) steps.set(key, { id, ...step });
  }
  return [...steps.values()];
}

function findMetric(name: string, { metrics }: Registry): { metric: Metric; options: object } {
  const metric = metrics.get(name);
  if (metric) return { metric, options: {} };
  for (const one of metrics.values()) {
    const found = one.find(name);
    if (found) return { metric: one, options: found.options };
  }
  const known = [...metrics.values()].flatMap((one) => [one.name, ...one.metrics.map((value) => value.name)]);
  throw new OptionError(`--metrics: ${unknownName('metric', name, [...new Set(known), 'hd95'])}`);
}

/**
 * Throws OptionError if the output's folder holds the results of another pipeline: they would be overwritten.
 */
async function checkOutput(output: string): Promise<void> {
  const folder = folderOf(output);
  const record = String((await readSmall(joinPlace(checkPlace(folder), 'run.json'))) ?? '{}');
  const name = nameIn(record) ?? 'evaluate';
  if (name === 'evaluate') return;
  throw new OptionError(
    `${folder} holds the results of the pipeline ${show(name)}, and its run.json and summary.json would be overwritten. ` +
      'Give another folder with -o.',
  );
}

/** The pipeline's name in a run.json; undefined if the text is not one. */
function nameIn(record: string): unknown {
  try {
    return JSON.parse(record).pipeline?.name;
  } catch {
    return undefined;
  }
}

function labelList(value: string): (string | number)[] {
  return commaList(value).map((label) => (/^\d+$/.test(label) ? Number(label) : label));
}

function tolerance(value: string): number {
  const mm = Number(value);
  if (value.trim() === '' || !(mm >= 0))
    throw new InvalidArgumentError('It must be a number of mm, 0 or more.');
  return mm;
}
