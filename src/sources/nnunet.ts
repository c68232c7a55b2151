import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { isAddress, joinPlace } from '../address.js';
import { DataError, listNames, OptionError } from '../errors.js';
import { placeType } from '../optionTypes.js';
import { openDataset } from './datasetFiles.js';
import { caseInside, source } from './define.js';
import { foldCount, nnunetFolds } from './nnunetFolds.js';
import { type NnunetCase, readNnunetRaw } from './nnunetRaw.js';
import { parseJson, readText } from './text.js';

const splitsFile = 'splits_final.json';

/**
 * The cases of a dataset in nnU-Net's raw layout (versions 1 and 2). The channels of a case become the
 * channels of one volume. Regions and the ignore label of dataset.json are evaluated as nnU-Net does.
 *
 * `splits_final.json` is looked for in the dataset's folder, then in `nnUNet_preprocessed` beside
 * `nnUNet_raw`, then in the folder of the environment variable `nnUNet_preprocessed`. Without such a file,
 * the folds are the five that nnU-Net v2 makes itself, with a warning.
 *
 * @throws OptionError for a folder that is not such a dataset, or if there is no such fold.
 */
export const nnunet = source({
  name: 'nnunet',
  summary: "A dataset in nnU-Net's raw layout: imagesTr/CASE_0000.nii.gz and labelsTr/CASE.nii.gz.",
  options: {
    root: placeType.describe(
      "The dataset's folder, e.g. nnUNet_raw/Dataset009_Spleen, its .tar, or the address of one (s3://)",
    ),
    split: z
      .enum(['train', 'validation', 'test', 'all'])
      .default('all')
      .describe('Which cases; train and validation are those of the fold, all is imagesTr and imagesTs'),
    fold: z.int().min(0).max(1000).optional().describe('The fold, from 0, for train and validation'),
    splits: placeType
      .optional()
      .describe(
        'The file with the folds. Default: splits_final.json of the dataset or of nnUNet_preprocessed, else the folds ' +
          'that nnU-Net makes itself',
      ),
  },
  check: ({ split, fold, splits }) => {
    const folded = split === 'train' || split === 'validation';
    if (folded && fold === undefined) return [`split "${split}" needs a fold, e.g. fold: 0`];
    if (folded || (fold ?? splits) === undefined) return [];
    return ['fold and splits go with split: train or split: validation'];
  },
  example: { root: 'nnUNet_raw/Dataset009_Spleen', split: 'validation', fold: 0 },
  async *open({ root, split, fold = 0, splits }, { onWarning }) {
    const files = await openDataset(root);
    const text = await files.read('dataset.json');
    if (text === undefined) {
      throw new OptionError(`${root} (source.root) has no dataset.json, so it is not a dataset of nnU-Net.`);
    }
    const content = parseJson(text, joinPlace(files.root, 'dataset.json'));
    const { training, test, labels } = await readNnunetRaw(files, content, onWarning);
    const inFold = async (wanted: 'train' | 'validation') => {
      const own = isAddress(root) && (await files.read(splitsFile)) !== undefined;
      const file = splits ?? (own ? joinPlace(files.root, splitsFile) : findSplits(root));
      if (file !== undefined) return casesOfFold(training, await readFold(file, wanted, fold), file);
      onWarning(
        `There is no ${splitsFile} in ${listNames(splitsFolders(root), 'or')}, so the folds are those that nnU-Net v2 ` +
          'makes itself. To use others, give the file as source.splits.',
      );
      return casesOfOwnFold(training, wanted, fold);
    };
    const chosen = split === 'test' ? test : split === 'all' ? [...training, ...test] : await inFold(split);
    if (chosen.length === 0) {
      throw new OptionError(
        `The split "${split}" of ${root} has no cases: there are ${training.length} in imagesTr and ${test.length} in imagesTs.`,
      );
    }
    for (const { id, images, label } of chosen) {
      yield caseInside(id, files.root, { image: images, ...(label !== undefined && { label }) }, labels);
    }
  },
});

/** The file with the folds of a raw dataset, if there is one. */
function findSplits(root: string): string | undefined {
  return splitsFolders(root)
    .map((place) => join(place, splitsFile))
    .find((file) => existsSync(file));
}

/** The folders in which `splits_final.json` of a raw dataset may be. */
function splitsFolders(root: string): string[] {
  if (isAddress(root)) return [root];
  const folder = resolve(root);
  const preprocessed = [
    join(dirname(dirname(folder)), 'nnUNet_preprocessed'),
    process.env['nnUNet_preprocessed'],
  ].flatMap((place) => (place ? [join(place, basename(folder))] : []));
  return [folder, ...preprocessed];
}

/** The cases of a fold that nnU-Net makes itself. */
function casesOfOwnFold(
  cases: readonly NnunetCase[],
  split: 'train' | 'validation',
  fold: number,
): NnunetCase[] {
  if (cases.length < foldCount || fold >= foldCount) {
    throw new OptionError(
      `nnU-Net makes ${foldCount} folds of at least ${foldCount} cases, but source.fold is ${fold} and there are ` +
        `${cases.length} case(s). Give a ${splitsFile} as source.splits.`,
    );
  }
  const sorted = [...cases].sort((a, b) => (a.id < b.id ? -1 : 1));
  return nnunetFolds(cases.length)[fold][split].map((at) => sorted[at]);
}

const foldsType = z.array(z.object({ train: z.array(z.string()), val: z.array(z.string()) })).min(1);

async function readFold(
  file: string,
  split: 'train' | 'validation',
  fold: number,
): Promise<readonly string[]> {
  const text = await readText(file).catch(() => {
    throw new OptionError(`${file} (source.splits) cannot be read. Give a ${splitsFile} of nnU-Net.`);
  });
  const parsed = foldsType.safeParse(parseJson(text, file));
  if (!parsed.success) {
    throw new DataError(
      `${file} must hold a list of folds, each { train, val } with lists of cases, as nnU-Net writes it.`,
    );
  }
  const found = parsed.data[fold];
  if (!found)
    throw new OptionError(
      `${file} has ${parsed.data.length} folds, 0 to ${parsed.data.length - 1}, but source.fold is ${fold}.`,
    );
  return split === 'train' ? found.train : found.val;
}

function casesOfFold(cases: readonly NnunetCase[], ids: readonly string[], file: string): NnunetCase[] {
  const byId = new Map(cases.map((one) => [one.id, one]));
  return ids.map((id) => {
    const found = byId.get(id.normalize('NFC'));
    if (found) return found;
    throw new DataError(`${file} lists the case ${id}, which imagesTr does not have.`);
  });
}
