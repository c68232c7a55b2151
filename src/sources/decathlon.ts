import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, posix } from 'node:path';
import { z } from 'zod';
import { DataError, listNames, messageOf, OptionError, show } from '../errors.js';
import { isImageFile, stripImageExtension } from '../formats/index.js';
import { readStart, withFile } from '../formats/openFile.js';
import { indexTar } from '../formats/tar.js';
import { caseInside, type SourceItem, source } from './define.js';

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

/**
 * The cases of a dataset in Decathlon layout, from `dataset.json` or, without it, from the folders. macOS
 * `._*` files are ignored. `validation` cases are the last training cases in order of their names, as in
 * MONAI's spleen bundle, but at most half of the training cases.
 *
 * @throws OptionError if the folder is not such a dataset or the split has no cases.
 */
export const decathlon = source({
  name: 'decathlon',
  summary: 'A dataset of the Medical Segmentation Decathlon, or one with the same layout.',
  options: {
    root: z
      .string()
      .min(1)
      .describe(
        "The dataset's folder, with dataset.json or imagesTr, labelsTr and imagesTs, or its .tar file",
      ),
    split: z.enum(splits).default('all').describe('Cases to use; all means training and test'),
    validation: z
      .int()
      .min(0)
      .default(9)
      .describe(
        'Number of validation cases, taken from the end of the sorted training cases; at most half of them',
      ),
  },
  example: { root: 'data/Task09_Spleen', split: 'test' },
  async *open({ root, split, validation }) {
    const found = await stat(root).catch(() => undefined);
    if (!found) {
      throw new OptionError(
        `The dataset folder ${root} (source.root) does not exist. Give the folder that contains ` +
          "dataset.json, or the dataset's .tar file.",
      );
    }
    const files = found.isFile() ? await filesOfTar(root) : filesOfFolder(root);
    const text = await files.readDataset();
    const dataset =
      text === undefined ? await readFolders(files) : readDatasetJson(join(files.root, 'dataset.json'), text);
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
    for (const entry of chosen) yield toCase(entry, files.root, dataset);
  },
});

function toCase({ image, label }: Entry, root: string, { labelNames }: Dataset): SourceItem {
  const files: Record<string, string> = label === undefined ? { image } : { image, label };
  return caseInside(idOf({ image }), root, files, labelNames);
}

function idOf({ image }: Entry): string {
  return stripImageExtension(basename(image));
}

/** Compares code units, as Python's `sorted` does, so that the same cases are held out as in MONAI. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const entryType = z.union([z.string(), z.object({ image: z.string(), label: z.string().optional() })]);
const datasetType = z.object({
  training: z.array(entryType).default([]),
  test: z.array(entryType).default([]),
  labels: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
});

function readDatasetJson(file: string, text: string): Dataset {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new DataError(`${file} is not readable JSON: ${messageOf(error)}.`);
  }
  const parsed = datasetType.safeParse(content, { reportInput: true });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DataError(
      `${file}: ${issue.path.join('.') || 'the file'} is ${show(issue.input)}, but "training", a list ` +
        'of { image, label }, and "test", a list of image paths, were expected.',
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

/** Label names by number. The Decathlon writes `{"1": "spleen"}`, nnU-Net `{"spleen": 1}`. */
export function readLabels(labels: Readonly<Record<string, string | number>>): Record<number, string> {
  const names: Record<number, string> = {};
  for (const [key, value] of Object.entries(labels)) {
    if (typeof value === 'number') names[value] = key;
    else if (/^\d+$/.test(key)) names[Number(key)] = value;
  }
  return names;
}

/** Access to a dataset's files, in a folder or in a tar archive. */
interface DatasetFiles {
  readonly root: string;
  /** The text of `dataset.json`; undefined if there is none. */
  readDataset(): Promise<string | undefined>;
  /** Names of the files in one of its folders. */
  list(folder: string): Promise<string[]>;
}

function filesOfFolder(root: string): DatasetFiles {
  const file = join(root, 'dataset.json');
  return {
    root,
    readDataset: async () => (existsSync(file) ? readFile(file, 'utf8') : undefined),
    list: (folder) => readdir(join(root, folder)).catch(() => []),
  };
}

/** A dataset in a tar archive: the folder in it that contains `dataset.json` or, without one, images. */
async function filesOfTar(archive: string): Promise<DatasetFiles> {
  if (!/\.tar$/i.test(archive)) {
    throw new OptionError(
      `${archive} (source.root) is a file, but a folder with dataset.json or a dataset's .tar file was ` +
        'expected. Unpack it, and give the folder.',
    );
  }
  const names = [...(await indexTar(archive)).keys()];
  const depth = (name: string) => name.split('/').length;
  const marks = names.filter((name) => /(^|\/)(dataset\.json|images(Tr|Ts)\/[^/]+)$/.test(name));
  const [mark = ''] = marks.sort(
    (a, b) => Number(!isDatasetJson(a)) - Number(!isDatasetJson(b)) || depth(a) - depth(b),
  );
  const inside = mark.replace(/(^|\/)(dataset\.json|images(Tr|Ts)\/[^/]+)$/, '');
  const root = join(archive, inside);
  return {
    root,
    readDataset: async () => {
      if (!isDatasetJson(mark)) return undefined;
      return withFile(join(archive, mark), async (open, size) =>
        (await readStart(open, size)).toString('utf8'),
      );
    },
    list: async (folder) => {
      const start = posix.join(inside, folder, '/');
      return names.filter((name) => name.startsWith(start)).map((name) => name.slice(start.length));
    },
  };
}

function isDatasetJson(name: string): boolean {
  return /(^|\/)dataset\.json$/.test(name);
}

async function readFolders({ root, list }: DatasetFiles): Promise<Dataset> {
  const images = async (folder: string) => (await list(folder)).filter(isImageFile).sort(compare);
  const labels = new Map((await images('labelsTr')).map((name) => [stripImageExtension(name), name]));
  const training = (await images('imagesTr')).map((name) => {
    const label = labels.get(stripImageExtension(name));
    return { image: join('imagesTr', name), ...(label && { label: join('labelsTr', label) }) };
  });
  const test = (await images('imagesTs')).map((name) => ({ image: join('imagesTs', name) }));
  if (training.length + test.length === 0) {
    throw new OptionError(
      `${root} (source.root) contains neither dataset.json nor images in imagesTr or imagesTs, so it ` +
        'is not a Decathlon dataset. For another layout use the source "glob" or "datalist".',
    );
  }
  return { training, test };
}
