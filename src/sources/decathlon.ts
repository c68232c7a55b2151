import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { Case } from '../case.js';
import { DataError, listNames, messageOf, OptionError, show } from '../errors.js';
import { isImageFile, stripImageExtension } from '../formats/index.js';
import { caseInside, defineSource, openCases, type SourceItem } from './define.js';

export interface DecathlonOptions {
  /** The dataset's folder, with `dataset.json`, or `imagesTr`, `labelsTr` and `imagesTs`. */
  readonly root: string;
  /** Which cases; `train` and `validation` share the training cases. Default: `all`, these and the test cases. */
  readonly split?: 'train' | 'validation' | 'test' | 'all';
  /** How many of the sorted training cases, from the end, are for validation; at most half of them. Default: 9. */
  readonly validation?: number;
}

interface Entry {
  readonly image: string;
  readonly label?: string;
}

interface Dataset {
  readonly training: readonly Entry[];
  readonly test: readonly Entry[];
  readonly labelNames?: Readonly<Record<number, string>>;
}

const splits = ['train', 'validation', 'test', 'all'] as const;

const definition = defineSource<DecathlonOptions>({
  name: 'decathlon',
  summary: 'A dataset of the Medical Segmentation Decathlon, or one laid out like it.',
  options: {
    root: z
      .string()
      .min(1)
      .describe("The dataset's folder, with dataset.json or imagesTr, labelsTr and imagesTs"),
    split: z.enum(splits).default('all').describe('Which cases; all is training and test'),
    validation: z
      .int()
      .min(0)
      .default(9)
      .describe(
        'How many of the sorted training cases, from the end, are for validation; at most half of them',
      ),
  },
  example: { root: 'data/Task09_Spleen', split: 'test' },
  async *open({ root, split = 'all', validation = 9 }) {
    if (!existsSync(root)) {
      throw new OptionError(
        `The dataset folder ${root} (source.root) does not exist. Give the folder that holds dataset.json.`,
      );
    }
    const file = join(root, 'dataset.json');
    const dataset = existsSync(file) ? await readDatasetJson(file) : await readFolders(root);
    const training = [...dataset.training].sort((a, b) => compare(idOf(a), idOf(b)));
    const held = Math.min(validation, Math.floor(training.length / 2));
    const chosen = {
      train: training.slice(0, training.length - held),
      validation: training.slice(training.length - held),
      test: dataset.test,
      all: [...training, ...dataset.test],
    }[split];
    if (chosen.length === 0) {
      throw new OptionError(
        `The split "${split}" of ${root} has no cases: the dataset has ${dataset.training.length} for training ` +
          `(${held} of them held out for validation) and ${dataset.test.length} for test. Set source.split to another of ` +
          `${listNames(splits, 'or')}.`,
      );
    }
    for (const entry of chosen) yield toCase(entry, root, dataset);
  },
});

function toCase({ image, label }: Entry, root: string, { labelNames }: Dataset): SourceItem {
  const files: Record<string, string> = label === undefined ? { image } : { image, label };
  return caseInside(idOf({ image }), root, files, labelNames);
}

function idOf({ image }: Entry): string {
  return stripImageExtension(basename(image));
}

/** By code units, as Python's `sorted` does: the same cases are held out as in MONAI. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const entryType = z.union([z.string(), z.object({ image: z.string(), label: z.string().optional() })]);
const datasetType = z.object({
  training: z.array(entryType).default([]),
  test: z.array(entryType).default([]),
  labels: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
});

async function readDatasetJson(file: string): Promise<Dataset> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new DataError(`${file} is not readable JSON: ${messageOf(error)}.`);
  }
  const parsed = datasetType.safeParse(content, { reportInput: true });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DataError(
      `${file}: ${issue.path.join('.') || 'the whole'} is ${show(issue.input)}, but expected are "training", a list of ` +
        '{ image, label }, and "test", a list of image paths.',
    );
  }
  const entries = (list: z.infer<typeof datasetType>['training']) =>
    list
      .map((entry) => (typeof entry === 'string' ? { image: entry } : entry))
      .filter(({ image }) => !basename(image).startsWith('._'));
  return {
    training: entries(parsed.data.training),
    test: entries(parsed.data.test),
    labelNames: parsed.data.labels && readLabels(parsed.data.labels),
  };
}

/** Label names by number: the Decathlon writes `{"1": "spleen"}`, nnU-Net `{"spleen": 1}`. */
export function readLabels(labels: Readonly<Record<string, string | number>>): Record<number, string> {
  const names: Record<number, string> = {};
  for (const [key, value] of Object.entries(labels)) {
    if (typeof value === 'number') names[value] = key;
    else if (/^\d+$/.test(key)) names[Number(key)] = value;
  }
  return names;
}

async function readFolders(root: string): Promise<Dataset> {
  const images = async (folder: string) => {
    const names = await readdir(join(root, folder)).catch(() => []);
    return names.filter(isImageFile).sort(compare);
  };
  const labels = new Map((await images('labelsTr')).map((name) => [stripImageExtension(name), name]));
  const training = (await images('imagesTr')).map((name) => {
    const label = labels.get(stripImageExtension(name));
    return { image: join('imagesTr', name), ...(label && { label: join('labelsTr', label) }) };
  });
  const test = (await images('imagesTs')).map((name) => ({ image: join('imagesTs', name) }));
  if (training.length + test.length === 0) {
    throw new OptionError(
      `${root} (source.root) has neither dataset.json nor images in imagesTr or imagesTs, so it is no Decathlon dataset. ` +
        'For another layout use the source "glob" or "datalist".',
    );
  }
  return { training, test };
}

/**
 * The cases of a dataset in Decathlon layout. `dataset.json` names them; without it the folders do. `._*` files are no
 * cases. `validation` cases are the last of the training cases sorted by name, as in MONAI's spleen bundle, but never more
 * than half of them.
 *
 * @throws OptionError for a folder that is no such dataset, or a split without cases.
 */
export function decathlon(options: DecathlonOptions): AsyncIterable<Case> {
  return openCases(definition, options);
}

export { definition as decathlonDefinition };
