import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { listNames, OptionError, show, unknownName } from '../errors.js';
import type { UndefinedAs } from '../metrics/summary.js';
import { parsePipeline } from '../pipeline/load.js';
import type { Pipeline } from '../pipeline/types.js';
import { findPairs } from '../sources/pairs.js';
import { commaList, positive } from './args.js';
import { run } from './run.js';

interface EvaluateFlags {
  readonly pred: string;
  readonly label: string;
  readonly output: string;
  readonly metrics: readonly string[];
  readonly tolerance: number;
  readonly labels?: readonly (string | number)[];
  readonly includeBackground: boolean;
  readonly names?: string;
  readonly predPostfix?: string;
  readonly labelPostfix?: string;
  readonly resample?: boolean;
  readonly report?: boolean;
  readonly image?: string;
  readonly undefinedAs: UndefinedAs;
  readonly inFlight?: number;
  readonly workers?: number;
  readonly resume?: boolean;
  readonly json?: boolean;
}

/** The operator of each metric that can be asked for, and its options. */
const operators: Readonly<Record<string, (flags: EvaluateFlags) => readonly [string, object]>> = {
  dice: () => ['dice', {}],
  iou: () => ['iou', {}],
  hd: () => ['hausdorff', {}],
  assd: () => ['averageSurfaceDistance', {}],
  nsd: ({ tolerance }) => ['surfaceDice', { tolerance }],
  confusion: () => ['confusion', {}],
  volume: () => ['volume', {}],
  components: () => ['components', {}],
};

const percentileOf = (metric: string) => /^hd(\d+(?:\.\d+)?)$/.exec(metric)?.[1];

const defaultMetrics = ['dice', 'iou', 'hd', 'hd95', 'assd', 'nsd', 'confusion', 'volume'];

/** `voxstream evaluate`: compares finished segmentations with references. */
export function addEvaluateCommand(program: Command): void {
  program
    .command('evaluate')
    .summary('compare segmentations with references, whoever made them')
    .description(
      'Pairs predictions with references by the names of their files, and writes one row of metrics per case, with ' +
        'summary.json and failures.csv beside it. Both are folders, or patterns with {case} where folders name the cases: "out/{case}/spleen.nii.gz". Works on what nnU-Net, TotalSegmentator, MONAI or voxstream wrote.',
    )
    .requiredOption(
      '--pred <dir>',
      'folder of the predictions; CASE_anything.nii.gz is a prediction for CASE',
    )
    .requiredOption('--label <dir>', 'folder of the references')
    .option('-o, --output <file>', 'the CSV file', 'results/evaluate/metrics.csv')
    .addOption(
      new Option(
        '--metrics <list>',
        `which: ${listNames(Object.keys(operators))}; hd95 is a percentile of hd`,
      )
        .argParser(metricList)
        .default(defaultMetrics, defaultMetrics.join(',')),
    )
    .option('--tolerance <mm>', 'how far surfaces may lie apart for nsd, in mm', tolerance, 3)
    .option('--labels <list>', 'which labels, by number or name; all by default', labelList)
    .option('--include-background', 'evaluate label 0 as well', false)
    .option('--names <file>', 'JSON file with the names of labels under "labels", such as dataset.json')
    .option('--pred-postfix <text>', 'only predictions whose name ends in this, such as _seg')
    .option('--label-postfix <text>', 'only references whose name ends in this')
    .option('--resample', 'put predictions on the grid of their reference (nearest voxel, 0 outside)')
    .option('--report', 'make a report to look at, with pictures of each case')
    .option('--image <dir>', 'folder of the images, or a pattern with {case}, for the pictures of the report')
    .addOption(
      new Option('--undefined-as <how>', 'how the summary counts values that are undefined or infinite')
        .choices(['leftOut', 'worst'])
        .default('leftOut'),
    )
    .option('--in-flight <n>', 'cases that are open at once', positive)
    .option('--workers <n>', 'worker threads for voxels and files', positive)
    .option('--resume', 'skip what a former run finished; redo what it did not')
    .option('--json', 'events as JSON on stdout, one a line, instead of the progress display')
    .action(async (flags: EvaluateFlags) => {
      await checkOutput(flags.output);
      const pipeline = evaluation(flags);
      const { unpaired } = await findPairs(flags);
      if (unpaired.length > 0) {
        process.stderr.write(
          `Left out: ${unpaired.length} prediction(s) that no reference fits, ${unpaired.slice(0, 3).join(', ')}${unpaired.length > 3 ? ', …' : ''}\n`,
        );
      }
      process.exitCode = await run(pipeline, { resume: flags.resume, json: flags.json });
    });
}

/** The pipeline that evaluates pairs. */
function evaluation(flags: EvaluateFlags): Pipeline {
  const { pred, label, predPostfix, labelPostfix, names, labels, includeBackground, undefinedAs } = flags;
  const { inFlight, workers, output, image } = flags;
  const measures = flags.metrics.map((metric) => {
    const percentile = percentileOf(metric);
    const [name, options] = percentile
      ? ['hausdorff', { percentile: Number(percentile) }]
      : operators[metric](flags);
    return { id: metric, [name]: { ...options, labels, includeBackground } };
  });
  const steps = [
    { id: 'loadLabel', load: { keys: 'label' } },
    { id: 'loadPred', load: { keys: 'pred' } },
    ...(flags.resample ? [{ resampleToMatch: { paddingMode: 'zeros' } }] : []),
    ...measures,
  ];
  const pipeline = {
    name: 'evaluate',
    output: dirname(output),
    source: { pairs: { pred, label, image, predPostfix, labelPostfix, names } },
    steps,
    sinks: [
      { metricsCsv: { path: basename(output) } },
      { summary: { undefinedAs } },
      ...(flags.report ? ['report'] : []),
    ],
    runtime: { inFlight, workers },
  };
  return parsePipeline(JSON.stringify(pipeline), 'evaluate');
}

/** Throws OptionError when the folder of the output holds the results of another pipeline, whose records it would lose. */
async function checkOutput(output: string): Promise<void> {
  const folder = dirname(output);
  const record = await readFile(join(folder, 'run.json'), 'utf8').catch(() => '{}');
  const name = nameIn(record) ?? 'evaluate';
  if (name === 'evaluate') return;
  throw new OptionError(
    `${folder} holds the results of the pipeline ${show(name)}, whose run.json and summary.json would be lost. Give -o a file in another folder.`,
  );
}

/** The pipeline's name in the text of a run.json, if it is one. */
function nameIn(record: string): unknown {
  try {
    return JSON.parse(record).pipeline?.name;
  } catch {
    return undefined;
  }
}

function metricList(value: string): string[] {
  const names = commaList(value);
  const unknown = names.find((name) => !(name in operators) && !percentileOf(name));
  if (unknown === undefined) return names;
  throw new InvalidArgumentError(unknownName('metric', unknown, [...Object.keys(operators), 'hd95']));
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
