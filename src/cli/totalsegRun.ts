import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { listNames, OptionError } from '../errors.js';
import { makeFolder, writeFault } from '../formats/aside.js';
import { imageExtensions } from '../formats/index.js';
import { readFacts } from '../models/totalsegmentator/facts.js';
import { expandTotalseg, type TotalsegOptions } from '../operators/totalseg.js';
import { loadPipelineData } from '../pipeline/load.js';
import type { Pipeline } from '../pipeline/types.js';
import { showWholeSeconds } from '../report/text.js';
import { note } from './clip.js';
import { printError } from './print.js';
import { type RunFlags, run, runAnyway } from './run.js';
import { savePipeline, sourceOf } from './segment.js';
import { runtimeFlags } from './sharedOptions.js';
import { runtimeDefaults } from './userConfig.js';

/** What to segment and where results go. */
export interface TotalsegRun {
  readonly input: string;
  readonly output: string;
  readonly outputType: 'nifti' | 'dicom_seg' | 'dicom_rtstruct';
  /** One label map instead of a mask per structure. */
  readonly multilabel: boolean;
  readonly flags: RunFlags;
  readonly savePipeline?: string | undefined;
}

/** DICOM reserves names that begin with 99 for private schemes. */
const privateScheme = '99VOXSTREAM';

type Tree = Readonly<Record<string, unknown>>;

/**
 * Runs TotalSegmentator's steps on an image, a DICOM series or a folder of images. Returns the exit code.
 *
 * The result of one image goes to the output itself. Its run happens in a folder beside that, which is
 * removed afterwards. The results of several images go to the output folder, by case.
 */
export async function runTotalseg(options: TotalsegOptions, request: TotalsegRun): Promise<number> {
  const { input, output, flags } = request;
  const source = await sourceOf(input, undefined);
  if (request.outputType !== 'nifti' && !('dicom' in source)) {
    throw new OptionError(
      `--output_type ${request.outputType} refers to the slices of a DICOM series, but ${input} is not one. Give a folder or ` +
        'a .zip with DICOM files, or leave --output_type out.',
    );
  }
  const steps = await stepsOf(options, request);
  const codes = request.outputType === 'dicom_seg' ? await ownCodes(options) : {};
  const document = (folder: string) => documentOf(source, steps, codes, options, request, folder);
  const isOne = 'datalist' in source || ('dicom' in source && (await holdsOne(document(output), input)));
  if (!isOne && looksLikeFile(output)) {
    throw new OptionError(
      `${input} holds several images, so -o must be a folder, but it is ${output}. Each image gives a file CASE.nii.gz in ` +
        'the folder.',
    );
  }
  if (isOne && request.multilabel && !looksLikeFile(output) && request.outputType === 'nifti') {
    throw new OptionError(`With --ml, -o must be a file that ends in .nii.gz or .nii, but it is ${output}.`);
  }
  if (request.savePipeline)
    await savePipeline(request.savePipeline, document(isOne ? `${output}_run` : output));
  return isOne && !flags.dryRun ? runOne(request, document) : run(await load(document(output)), flags);
}

function load(document: Tree): Promise<Pipeline> {
  return loadPipelineData(document, 'totalseg', { runtimeDefaults: runtimeDefaults() });
}

/** The steps as a pipeline file writes them. Models are imported if they are not in the cache. */
async function stepsOf(options: TotalsegOptions, request: TotalsegRun): Promise<unknown[]> {
  const derived = derivesBody(options, request);
  const expanded = await expandTotalseg({ ...options, ...(derived && { stored: 'stored' }) }, (name) =>
    note(`Importing ${name} …`),
  ).finally(() => note(''));
  const steps = expanded.map(({ id, definition, options: given }) => ({
    ...(id !== undefined && { id }),
    [definition.name]: given,
  }));
  // TotalSegmentator writes two more masks for this task.
  const body = [
    { copyItems: { keys: 'pred', names: 'body' } },
    { mapLabels: { map: { 2: 1 }, keys: 'body' } },
    { nameLabels: { names: { 1: 'body' }, keys: 'body' } },
    { skin: { body: 'body', image: 'stored' } },
  ];
  return [{ load: { float64: true, firstChannel: true } }, ...steps, ...(derived ? body : [])];
}

function derivesBody({ task }: TotalsegOptions, { multilabel, outputType }: TotalsegRun): boolean {
  return task === 'body' && !multilabel && outputType === 'nifti';
}

/** The pipeline, as the content of a pipeline file. */
function documentOf(
  source: Tree,
  steps: readonly unknown[],
  codes: Tree,
  options: TotalsegOptions,
  request: TotalsegRun,
  output: string,
): Tree {
  const separateFolder = !request.multilabel && request.outputType === 'nifti';
  return {
    name: 'totalseg',
    output,
    source,
    steps,
    sinks: [
      sinkOf(options, request, codes),
      ...(options.statistics ? [{ statisticsJson: { separateFolder } }, 'metricsCsv'] : []),
    ],
    runtime: runtimeFlags(request.flags),
  };
}

function sinkOf(options: TotalsegOptions, request: TotalsegRun, codes: Tree): Tree {
  const algorithm = `TotalSegmentator ${options.task}`;
  if (request.outputType === 'dicom_seg') return { dicomSeg: { keys: 'pred', algorithm, codes } };
  if (request.outputType === 'dicom_rtstruct') return { rtstruct: { keys: 'pred', algorithm } };
  if (request.multilabel) return { nifti: { keys: 'pred', postfix: '', labelTable: true } };
  const keys = derivesBody(options, request) ? ['pred', 'body', 'skin'] : 'pred';
  return { nifti: { keys, postfix: '', perLabel: true } };
}

/** Codes of a private scheme for structures that have none in the built-in table. */
async function ownCodes({ task, tasks }: TotalsegOptions): Promise<Tree> {
  const { classes } = await readFacts(tasks);
  // Loaded only here: few calls write DICOM.
  const { anatomyOf } = await import('../formats/dicom/anatomy.js');
  const unknown = Object.values(classes[task] ?? {}).filter((name) => !anatomyOf(name));
  if (unknown.length > 0) {
    printError(
      `No SNOMED CT code is known for ${listNames(unknown)}. In the SEG, their codes are of the private scheme ` +
        `${privateScheme}.\n`,
    );
  }
  const codeOf = (name: string) => ({
    value: createHash('sha256').update(name).digest('hex').slice(0, 16),
    scheme: privateScheme,
    meaning: name.slice(0, 64),
  });
  return Object.fromEntries(unknown.map((name) => [name, codeOf(name)]));
}

/** Whether a source of DICOM series holds one of them. */
async function holdsOne(document: Tree, input: string): Promise<boolean> {
  const { source } = await load(document);
  let count = 0;
  try {
    for await (const _ of source.built.open({ onWarning() {} })) count++;
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new OptionError(
      `${error.message} Images in folders below are given by a pattern, e.g. -i "${join(input, '*', 'ct.nii.gz')}".`,
      { cause: error },
    );
  }
  return count === 1;
}

function looksLikeFile(path: string): boolean {
  return [...imageExtensions(), '.dcm'].some((extension) => path.toLowerCase().endsWith(extension));
}

/** The files that a run writes besides its results. */
const records = ['.voxstream', 'run.json', 'timings.csv', 'failures.csv', 'metrics.csv'];

/** Segments one image. The results appear in place when all of them are there. */
async function runOne(request: TotalsegRun, document: (folder: string) => Tree): Promise<number> {
  const { output } = request;
  const { verbose, ...flags } = request.flags;
  if (verbose) printError('--verbose writes a log for folders of images only.\n');
  const parent = dirname(resolve(output));
  await makeFolder(parent).catch((error) => {
    throw writeFault(parent, error);
  });
  const work = await mkdtemp(join(parent, '.voxstream-totalseg-')).catch((error) => {
    throw writeFault(parent, error);
  });
  try {
    const pipeline = await load(document(work));
    const code = await runAnyway(pipeline, flags, {
      output,
      closing(_, { done, failed, interrupted }, seconds) {
        if (done > 0) return `The segmentation is in ${output}; it took ${showWholeSeconds(seconds)}.\n`;
        if (interrupted) return 'Interrupted.\n';
        return failed > 0 ? 'The image could not be segmented (see above).\n' : '';
      },
    });
    if (code === 0) await placeResults(work, request);
    return code;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Moves the results of one image to the output. */
async function placeResults(work: string, { output, multilabel, outputType }: TotalsegRun): Promise<void> {
  const results = (await readdir(work)).filter((name) => !records.includes(name));
  if (outputType === 'nifti' && !multilabel) {
    await makeFolder(output);
    for (const folder of results) {
      for (const name of await readdir(join(work, folder)))
        await move(join(work, folder, name), join(output, name));
    }
    return;
  }
  const isFile = looksLikeFile(output);
  if (!isFile) await makeFolder(output);
  for (const name of results) {
    const statistics = name.endsWith('_statistics.json');
    const folder = isFile ? dirname(resolve(output)) : output;
    if (statistics) await move(join(work, name), join(folder, 'statistics.json'));
    else await move(join(work, name), isFile ? output : join(output, 'segmentations.dcm'));
  }
}

async function move(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error) => {
    throw writeFault(to, error);
  });
}
