import { basename, join } from 'node:path';
import { z } from 'zod';
import { joinPlace } from '../address.js';
import { DataError, listNames, OptionError, show } from '../errors.js';
import { isImageFile, stripImageExtension } from '../formats/index.js';
import { mostCounted, placeType } from '../optionTypes.js';
import { type DatasetFiles, openDataset } from './datasetFiles.js';
import { type DatasetLabels, labelsType, readLabels } from './datasetLabels.js';
import { caseInside, source } from './define.js';
import { distinctIds } from './distinctIds.js';
import { entryOfCase, isNnunetRaw, readNnunetRaw } from './nnunetRaw.js';
import { parseJson } from './text.js';

interface Entry {
  /** Default: from the name of the image. */
  readonly id?: string;
  readonly image: string | readonly string[];
  readonly label?: string;
}

interface Dataset {
  readonly training: readonly Entry[];
  readonly test: readonly Entry[];
  readonly labels?: DatasetLabels | undefined;
}

const splits = ['train', 'validation', 'test', 'all'] as const;

/**
 * The cases of a dataset in Decathlon layout, from `dataset.json` or, without it, from the folders. macOS
 * `._*` files are ignored. A dataset in nnU-Net's raw layout is read as by the source `nnunet`. `validation`
 * cases are the last training cases in order of their names, as in MONAI's spleen bundle, but at most half of
 * the training cases.
 *
 * @throws OptionError if the folder is not such a dataset or the split has no cases.
 */
export const decathlon = source({
  name: 'decathlon',
  summary: 'A dataset of the Medical Segmentation Decathlon, or one with the same layout.',
  options: {
    root: placeType.describe(
      "The dataset's folder, with dataset.json or imagesTr, labelsTr and imagesTs, its .tar file, the address of one " +
        '(s3://, https://), or the name of one that "voxstream data pull" downloaded',
    ),
    split: z.enum(splits).default('all').describe('Cases to use; all means training and test'),
    validation: z
      .int()
      .min(0)
      .max(mostCounted)
      .default(9)
      .describe(
        'Number of validation cases, taken from the end of the sorted training cases; at most half of them',
      ),
  },
  example: { root: 'data/Task09_Spleen', split: 'test' },
  async *open({ root, split, validation }, { onWarning }) {
    const files = await openDataset(root);
    const dataset = await readDataset(files, onWarning);
    const named = withIds([...dataset.training, ...dataset.test]);
    const training = named.slice(0, dataset.training.length).sort((a, b) => compare(a.id, b.id));
    const test = named.slice(dataset.training.length);
    const held = Math.min(validation, Math.floor(training.length / 2));
    const chosen = {
      train: training.slice(0, training.length - held),
      validation: training.slice(training.length - held),
      test,
      all: [...training, ...test],
    }[split];
    if (chosen.length === 0) {
      throw new OptionError(
        `The split "${split}" of ${root} has no cases: the dataset has ${training.length} for training ` +
          `(${held} of them held out for validation) and ${test.length} for test. Set source.split to another of ` +
          `${listNames(splits, 'or')}.`,
      );
    }
    for (const { id, image, label } of chosen) {
      yield caseInside(id, files.root, label === undefined ? { image } : { image, label }, dataset.labels);
    }
  },
});

async function readDataset(files: DatasetFiles, onWarning: (message: string) => void): Promise<Dataset> {
  const file = joinPlace(files.root, 'dataset.json');
  const text = await files.read('dataset.json');
  if (text === undefined) return readFolders(files, onWarning);
  const content = parseJson(text, file);
  if (!(await isNnunetRaw(files, content))) return readDatasetJson(file, content, onWarning);
  onWarning(`${files.root} is in nnU-Net's raw layout, so it is read as by the source nnunet.`);
  const { training, test, labels } = await readNnunetRaw(files, content, onWarning);
  return { training: training.map(entryOfCase), test: test.map(entryOfCase), labels };
}

function withIds(entries: readonly Entry[]): (Entry & { readonly id: string })[] {
  const ids = distinctIds(entries.map(({ image }) => [image].flat()[0]));
  return entries.map((entry, i) => ({ ...entry, id: entry.id ?? ids[i] }));
}

/** Compares code units, as Python's `sorted` does, so that the same cases are held out as in MONAI. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const imagesType = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
const entryType = z.union([imagesType, z.object({ image: imagesType, label: z.string().optional() })]);
const datasetType = z.object({
  training: z.array(entryType).default([]),
  test: z.array(entryType).default([]),
  labels: labelsType.optional(),
});

function readDatasetJson(file: string, content: unknown, onWarning: (message: string) => void): Dataset {
  const parsed = datasetType.safeParse(content, { reportInput: true });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DataError(
      `${file}: ${issue.path.join('.') || 'the file'} is ${show(issue.input)}, but "training", a list ` +
        'of { image, label }, "test", a list of image paths, and "labels", a map from numbers to names, were ' +
        'expected.',
    );
  }
  const entries = (list: z.infer<typeof datasetType>['training']) =>
    list
      .map((entry) => (typeof entry === 'string' || Array.isArray(entry) ? { image: entry } : entry))
      .filter(({ image }) => !basename([image].flat()[0]).startsWith('._'));
  const { labels } = parsed.data;
  return {
    training: entries(parsed.data.training),
    test: entries(parsed.data.test),
    labels: labels && readLabels(labels, file, onWarning),
  };
}

async function readFolders(
  { root, list }: DatasetFiles,
  onWarning: (message: string) => void,
): Promise<Dataset> {
  const images = async (folder: string) => (await list(folder)).filter(isImageFile).sort(compare);
  const labels = new Map(
    (await images('labelsTr')).map((name) => [stripImageExtension(name).normalize('NFC'), name]),
  );
  const training = (await images('imagesTr')).map((name) => {
    const label = labels.get(stripImageExtension(name).normalize('NFC'));
    return { image: join('imagesTr', name), ...(label && { label: join('labelsTr', label) }) };
  });
  const test = (await images('imagesTs')).map((name) => ({ image: join('imagesTs', name) }));
  if (training.length + test.length === 0) {
    const isBids = (await list('')).some((name) => name.startsWith('sub-'));
    const advice = isBids
      ? 'It has folders sub-*: read it with the source "bids".'
      : 'For another layout use the source "glob" or "datalist".';
    throw new OptionError(
      `${root} (source.root) contains neither dataset.json nor images in imagesTr or imagesTs, so it ` +
        `is not a Decathlon dataset. ${advice}`,
    );
  }
  if (labels.size > 0 && training.length > 0 && training.every(({ label }) => label === undefined)) {
    onWarning(
      `${root}: no image in imagesTr has a label of the same name in labelsTr, so cases have no labels. If it is a ` +
        'dataset of nnU-Net, add its dataset.json.',
    );
  }
  return { training, test };
}
