import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { Document, isCollection, parse as parseYaml, visit } from 'yaml';
import { ModelError, messageOf, OptionError, show } from '../errors.js';
import { namesInArchive } from '../formats/archives.js';
import { writeFileAside } from '../formats/files.js';
import { imageExtensions, isImageFile } from '../formats/index.js';
import { findModel, type ModelFiles, packagePipelines } from '../models/findModel.js';
import { loadRegistry } from '../pipeline/extensions.js';
import { loadPipelineData } from '../pipeline/load.js';
import { type RunFlags, run } from './run.js';
import { addShared, runtimeFlags, sharedOption } from './sharedOptions.js';
import { runtimeDefaults } from './userConfig.js';

interface SegmentFlags extends RunFlags {
  readonly model: string;
  readonly labels?: string;
}

type Tree = Readonly<Record<string, unknown>>;

/** Adds `voxstream segment`, which runs a model with its own preprocessing, without a pipeline file. */
export function addSegmentCommand(program: Command): void {
  const command = program
    .command('segment')
    .summary('segment images with a model, without a pipeline file')
    .description(
      'Segments images with the preprocessing that the model states: its pipeline.yaml, or input.preprocessing on its ' +
        'card. INPUT is an image file, a folder of images or of DICOM series, a pattern ("in/*.nii.gz", ' +
        '"in/{case}/ct.nii.gz"), a dataset (dataset.json) or a .tar or .zip. OUTPUT is a folder.',
    )
    .argument('<input>', 'an image, a folder, a pattern, a dataset or an archive')
    .argument('[output]', 'the folder for the segmentations, CASE.nii.gz')
    .addOption(sharedOption('output'))
    .requiredOption('--model <name>', 'a model folder, an .onnx file, or a name of "voxstream models list"')
    .option(
      '--labels <path>',
      'references, for metrics: a folder with CASE.nii.gz, or a pattern with {case}; of one image, a file; of DICOM ' +
        'series, INPUT itself if they lie beside them as segmentations (SEG). --dry-run lists the names of cases',
    );
  addShared(command, 'report', 'savePipeline', 'set', 'use', 'device', 'inFlight', 'memory', 'workers');
  addShared(command, 'cases', 'shard', 'limit', 'resume', 'overwrite', 'strict', 'dryRun');
  addShared(command, 'json', 'quiet', 'verbose').action(
    async (input: string, place: string | undefined, flags: SegmentFlags) => {
      const output = outputOf(place, flags);
      const document = await pipelineFor(input, output, flags);
      if (flags.savePipeline) await savePipeline(flags.savePipeline, document);
      const registry = await loadRegistry(flags.use ?? []);
      const pipeline = await loadPipelineData(document, 'segment', {
        registry,
        set: flags.set ?? [],
        runtimeDefaults: runtimeDefaults(),
      });
      process.exitCode = await run(pipeline, flags);
    },
  );
}

/** The output folder: the second argument, or `-o`. */
function outputOf(place: string | undefined, { output: option }: SegmentFlags): string {
  const output = place ?? option;
  if (output === undefined) {
    throw new OptionError(
      'The output folder is missing. Give it after the input: voxstream segment INPUT OUTPUT --model NAME.',
    );
  }
  if (place !== undefined && option !== undefined) {
    throw new OptionError(`There are two output folders, ${place} and ${option} (-o). Give one of them.`);
  }
  const extension = imageExtensions().find((one) => output.toLowerCase().endsWith(one));
  if (extension) {
    throw new OptionError(
      `The output is ${output}, but a folder was expected: each image gives a file CASE.nii.gz in it. Give ` +
        `${dirname(output) === '.' ? 'a folder, e.g. out' : dirname(output)}.`,
    );
  }
  return output;
}

/** The pipeline that segments an input, as the content of a pipeline file. */
async function pipelineFor(input: string, output: string, flags: SegmentFlags): Promise<Tree> {
  const { labels } = flags;
  if (labels !== undefined && !labels.includes('{case}') && !existsSync(labels)) {
    throw new OptionError(
      `There is no ${labels} (--labels). Give the folder of the references, or a pattern, e.g. "labels/{case}.nii.gz".`,
    );
  }
  const model = await findModel(flags.model, ['models']);
  const source = model.card.nnunet
    ? await nnunetSourceOf(input, flags.labels)
    : await sourceOf(input, flags.labels);
  const { steps, vars } = await stepsOf(model, flags);
  const measured = flags.labels !== undefined;
  return {
    name: 'segment',
    output,
    ...(vars && { vars }),
    source,
    // Not every image needs a reference.
    steps: [...steps, ...(measured ? [{ dice: { optional: true } }] : [])],
    sinks: [
      { nifti: { keys: 'pred', postfix: '' } },
      ...(measured ? ['metricsCsv'] : []),
      'summary',
      ...(flags.report ? ['report'] : []),
    ],
    runtime: runtimeFlags(flags),
  };
}

/** The steps of a model's own pipeline, or those that its card describes. */
async function stepsOf(
  { file, card }: ModelFiles,
  { model }: SegmentFlags,
): Promise<{ steps: readonly unknown[]; vars?: Tree }> {
  const own = join(dirname(file), 'pipeline.yaml');
  const nnunet = card.nnunet && join(packagePipelines, 'nnunet.yaml');
  const found = [own, nnunet].find((path) => path && existsSync(path));
  if (found) return readSteps(found, model);
  const { preprocessing } = card.input;
  if (!preprocessing) {
    throw new ModelError(
      `The model ${card.name} does not state how its input is made: its folder has no pipeline.yaml, and its card no ` +
        `input.preprocessing. Add one of them (${join(dirname(file), 'metadata.json')}), or write a pipeline and use ` +
        '"voxstream run".',
    );
  }
  const prepared = preprocessing.map((step) => {
    const [name, options] = typeof step === 'string' ? [step, {}] : Object.entries(step)[0];
    // Labels stay as they are stored, because metrics compare with them.
    return name === 'load' ? 'load' : { [name]: { ...options, keys: 'image' } };
  });
  const loads = prepared.includes('load') ? [] : ['load'];
  const sigmoid =
    (card.output.activation ?? (card.output.channels === 1 ? 'sigmoid' : 'softmax')) === 'sigmoid';
  return {
    steps: [
      ...loads,
      ...prepared,
      { inference: { model, overlap: 0.5, mode: 'gaussian' } },
      { activations: sigmoid ? { sigmoid: true } : { softmax: true } },
      { invert: { keys: 'pred', like: 'image' } },
      { asDiscrete: sigmoid ? { threshold: 0.5 } : { argmax: true } },
    ],
  };
}

/** The steps and variables of a pipeline file that belongs to a model. */
async function readSteps(file: string, model: string): Promise<{ steps: readonly unknown[]; vars: Tree }> {
  let content: unknown;
  try {
    content = parseYaml(await readFile(file, 'utf8'));
  } catch (error) {
    throw new ModelError(`${file} cannot be read: ${messageOf(error)}.`);
  }
  const { steps, vars } = (content ?? {}) as { steps?: unknown; vars?: Tree };
  if (!Array.isArray(steps)) {
    throw new ModelError(`${file} has no list of steps, but ${show(steps)}. It must be a pipeline file.`);
  }
  return { steps, vars: { ...vars, model } };
}

/** nnU-Net names the files of a folder by case and channel: `CASE_0000.nii.gz`. */
async function nnunetSourceOf(input: string, labels: string | undefined): Promise<Tree> {
  const names = await readdir(input).catch((): string[] => []);
  const isNnunet = names.some((name) => /_\d{4}\.\w+(\.gz)?$/.test(name));
  return isNnunet && labels === undefined ? { nnunetImages: { dir: input } } : sourceOf(input, labels);
}

/** The source for an input, by what is there. */
export async function sourceOf(input: string, labels: string | undefined): Promise<Tree> {
  const found = await stat(input).catch(() => undefined);
  if (!found) {
    if (/[*?{[]/.test(input)) return globOf(input, labels);
    throw new OptionError(
      `There is no ${input}. Give an image file, a folder, a pattern ("in/*.nii.gz") or an archive.`,
    );
  }
  if (found.isFile()) {
    if (/\.(tar|zip)$/i.test(input)) {
      const names = await namesInArchive(input);
      if (names.some((name) => /(^|\/)dataset\.json$/.test(name))) return datasetOf(input, labels);
      const images = names.filter(isPlainImage).sort();
      return images.length > 0 ? archiveOf(input, images, labels) : dicomOf(input, labels);
    }
    return { datalist: { items: [{ image: input, ...(labels !== undefined && { label: labels }) }] } };
  }
  const names = await readdir(input);
  if (names.includes('dataset.json')) return datasetOf(input, labels);
  return names.some(isPlainImage) ? globOf(join(input, '*'), labels) : dicomOf(input, labels);
}

/** Whether a name is that of an image of another format than DICOM. macOS adds `._` files to archives. */
function isPlainImage(name: string): boolean {
  return isImageFile(name) && !/\.(dcm|dicom|ima)$|(^|\/)\._/i.test(name);
}

function archiveOf(archive: string, images: readonly string[], labels: string | undefined): Tree {
  if (labels === undefined) {
    return { datalist: { items: images.map((name) => ({ image: join(archive, name) })) } };
  }
  throw new OptionError(
    `--labels cannot be used with ${archive}, an archive of images. Unpack it, and give the folder.`,
  );
}

function globOf(pattern: string, labels: string | undefined): Tree {
  if (labels === undefined) return { glob: { image: pattern } };
  return { glob: { image: pattern, label: labelPattern(labels), ifMissing: 'leaveOut' } };
}

/** `--labels` as a pattern: a folder holds a file for each case. */
function labelPattern(labels: string): string {
  return labels.includes('{case}') ? labels : join(labels, '{case}.*');
}

function datasetOf(root: string, labels: string | undefined): Tree {
  if (labels === undefined) return { decathlon: { root, split: 'all' } };
  throw new OptionError(
    `--labels is for images without a dataset, but ${root} is one, with its own labels. Give a pattern for its ` +
      "images, e.g. 'imagesTr/*.nii.gz' inside of it.",
  );
}

function dicomOf(root: string, labels: string | undefined): Tree {
  if (labels === undefined) return { dicom: { root } };
  const beside = resolve(labels) === resolve(root);
  return { dicom: { root, label: beside ? 'auto' : labelPattern(labels) } };
}

export async function savePipeline(file: string, document: Tree): Promise<void> {
  if (existsSync(file)) {
    throw new OptionError(`${file} (--save-pipeline) exists. Remove it, or choose another name.`);
  }
  await writeFileAside(file, `# voxstream run ${file}\n${pipelineText(document)}`);
}

/** A pipeline as YAML, with the options of each step, sink and source on one line, as people write them. */
function pipelineText(document: Tree): string {
  const yaml = new Document(document);
  visit(yaml, {
    Pair(_, { value }, path) {
      // The document, the map of its keys, the list of steps or the source, and a step.
      const isOptions = path.length >= 4 && isCollection(value);
      if (isOptions) value.flow = true;
      return isOptions ? visit.SKIP : undefined;
    },
  });
  return yaml.toString({ lineWidth: 0 });
}
