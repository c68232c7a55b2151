import { z } from 'zod';
import { joinPlace } from '../address.js';
import { DataError, listNames, OptionError, show } from '../errors.js';
import { isImageFile } from '../formats/index.js';
import type { DatasetFiles } from './datasetFiles.js';
import { type DatasetLabels, labelsType, readLabels } from './datasetLabels.js';

/** A case of nnU-Net: an image file for each channel, in order. */
export interface NnunetCase {
  readonly id: string;
  readonly images: readonly string[];
  readonly label?: string;
}

/** A dataset in nnU-Net's raw layout. Paths are relative to its folder. */
export interface NnunetDataset {
  readonly training: readonly NnunetCase[];
  readonly test: readonly NnunetCase[];
  readonly labels: DatasetLabels;
}

const datasetType = z.object({
  labels: labelsType,
  file_ending: z.string().min(1).optional(),
  /** Version 2. */
  channel_names: z.record(z.string(), z.unknown()).optional(),
  /** Version 1. */
  modality: z.record(z.string(), z.unknown()).optional(),
  /** Version 1: the cases. Version 2 takes those that are in imagesTr. */
  training: z.array(z.unknown()).optional().catch(undefined),
  numTraining: z.unknown().optional(),
  /** Version 2: where the files are, if they are not in imagesTr and labelsTr. */
  dataset: z
    .record(z.string(), z.object({ images: z.array(z.string()).min(1), label: z.string().optional() }))
    .optional(),
});

/**
 * Whether a dataset is in nnU-Net's raw layout: version 2 names `channel_names`; in version 1 the files are
 * `CASE_0000`, but dataset.json lists `CASE`.
 */
export async function isNnunetRaw(files: DatasetFiles, content: unknown): Promise<boolean> {
  if (typeof content !== 'object' || content === null) return false;
  if ('training' in content || 'test' in content) {
    const present = new Set(await files.list('imagesTr'));
    const [first] = 'training' in content && Array.isArray(content.training) ? content.training : [];
    const image: unknown = first?.image;
    if (typeof image !== 'string') return false;
    const name = image.split(/[\\/]/).at(-1) ?? image;
    return !present.has(name) && present.has(name.replace(/(\.nii(\.gz)?)$/i, '_0000$1'));
  }
  return 'channel_names' in content || 'file_ending' in content;
}

/**
 * Reads a dataset in nnU-Net's raw layout, of version 1 or 2: `imagesTr/CASE_0000.nii.gz` with a file for
 * each channel, `labelsTr/CASE.nii.gz`, and `imagesTs` with, if present, `labelsTs`.
 *
 * @param content The content of its dataset.json.
 * @throws DataError if the content is not that of nnU-Net, or if channels of a case are missing.
 */
export async function readNnunetRaw(
  files: DatasetFiles,
  content: unknown,
  onWarning: (message: string) => void,
): Promise<NnunetDataset> {
  const file = joinPlace(files.root, 'dataset.json');
  const parsed = datasetType.safeParse(content, { reportInput: true });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DataError(
      `${file}: ${issue.path.join('.') || 'the whole'} is ${show(issue.input)}, but expected are nnU-Net's "channel_names", ` +
        '"labels" and "file_ending".',
    );
  }
  const { labels, file_ending = '.nii.gz', channel_names, modality, dataset, numTraining } = parsed.data;
  if (!isImageFile(`a${file_ending}`)) {
    throw new OptionError(
      `${file}: file_ending is ${show(file_ending)}, but only 3D images in NIfTI, NRRD or MetaImage are read.`,
    );
  }
  const channels = Object.keys(channel_names ?? modality ?? { 0: '' }).length;
  const cases = async (images: string, references: string): Promise<NnunetCase[]> => {
    const names = await files.list(images);
    const found = channelsByCase(names, file_ending);
    const others = names.filter((name) => !name.startsWith('.') && isImageFile(name));
    if (found.size === 0 && others.length > 0) {
      throw new DataError(
        `${file}: file_ending is ${show(file_ending)}, but ${images} has no file CASE_0000${file_ending}. It has names ` +
          `such as ${others[0]}. Correct file_ending, or the names.`,
      );
    }
    const present = new Set(await files.list(references));
    const expected = Array.from({ length: channels }, (_, i) => String(i).padStart(4, '0'));
    const wanted = (id: string) => expected.map((channel) => `${id}_${channel}${file_ending}`);
    const lost = [...found].filter(([id, given]) => given.join() !== wanted(id).join());
    if (lost.length > 0) {
      const [id, given] = lost[0];
      throw new DataError(
        `${file} names ${channels} channel(s), but case ${id} has ${given.length} file(s) in ${images}: ` +
          `${listNames(given)}. Expected: ${listNames(wanted(id))}. There are ${lost.length} such case(s).`,
      );
    }
    return [...found].map(([id, given]) => {
      const label = `${id}${file_ending}`;
      return {
        id: id.normalize('NFC'),
        images: given.map((name) => `${images}/${name}`),
        ...(present.has(label) && { label: `${references}/${label}` }),
      };
    });
  };
  const listed = dataset && Object.entries(dataset).map(([id, entry]) => ({ id, ...entry }));
  const inFolder = async () => {
    const found = await cases('imagesTr', 'labelsTr');
    return channel_names ? found : onlyListed(found, parsed.data.training ?? [], file_ending);
  };
  const training = listed ?? (await inFolder());
  if (Number.isInteger(numTraining) && numTraining !== training.length) {
    onWarning(`${file}: numTraining is ${numTraining}, but there are ${training.length} training case(s).`);
  }
  return {
    training,
    test: await cases('imagesTs', 'labelsTs'),
    labels: readLabels(labels, file, onWarning),
  };
}

/** The cases that dataset.json of version 1 lists; all if it lists none of them. */
function onlyListed(
  cases: readonly NnunetCase[],
  training: readonly unknown[],
  ending: string,
): readonly NnunetCase[] {
  const names = training.flatMap((entry) => {
    const parsed = z.object({ image: z.string() }).safeParse(entry);
    return parsed.success ? [parsed.data.image.split(/[\\/]/).at(-1) ?? ''] : [];
  });
  const listed = new Set(
    names.map((name) => (name.endsWith(ending) ? name.slice(0, -ending.length) : name).normalize('NFC')),
  );
  const found = cases.filter(({ id }) => listed.has(id) || listed.has(`${id}_0000`));
  return found.length > 0 ? found : cases;
}

/** The files `CASE_0000.ending` of each case, both sorted. */
export function channelsByCase(names: readonly string[], ending: string): Map<string, string[]> {
  const cases = new Map<string, string[]>();
  for (const name of [...names].sort()) {
    if (name.startsWith('.') || !name.endsWith(ending)) continue;
    const match = /^(.+)_\d{4}$/.exec(name.slice(0, -ending.length));
    if (match) cases.set(match[1], [...(cases.get(match[1]) ?? []), name]);
  }
  return cases;
}

/** A case as sources open it. */
export function entryOfCase({ id, images, label }: NnunetCase) {
  return { id, image: images, ...(label !== undefined && { label }) };
}
