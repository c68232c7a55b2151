import { join } from 'node:path';
import { z } from 'zod';
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
 * each channel, `labelsTr/CASE.nii.gz`, and `imagesTs`.
 *
 * @param content The content of its dataset.json.
 * @throws DataError if the content is not that of nnU-Net, or if channels of a case are missing.
 */
export async function readNnunetRaw(
  files: DatasetFiles,
  content: unknown,
  onWarning: (message: string) => void,
): Promise<NnunetDataset> {
  const file = join(files.root, 'dataset.json');
  const parsed = datasetType.safeParse(content, { reportInput: true });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DataError(
      `${file}: ${issue.path.join('.') || 'the whole'} is ${show(issue.input)}, but expected are nnU-Net's "channel_names", ` +
        '"labels" and "file_ending".',
    );
  }
  const { labels, file_ending = '.nii.gz', channel_names, modality, dataset } = parsed.data;
  if (!isImageFile(`a${file_ending}`)) {
    throw new OptionError(
      `${file}: file_ending is ${show(file_ending)}, but only 3D images in NIfTI, NRRD or MetaImage are read.`,
    );
  }
  const channels = Object.keys(channel_names ?? modality ?? { 0: '' }).length;
  const cases = async (images: string, references: string | undefined): Promise<NnunetCase[]> => {
    const found = channelsByCase(await files.list(images), file_ending);
    const present = references ? new Set(await files.list(references)) : undefined;
    const lost = [...found].filter(([, names]) => names.length !== channels);
    if (lost.length > 0) {
      const [id, names] = lost[0];
      throw new DataError(
        `${file} names ${channels} channel(s), but case ${id} has ${names.length} file(s) in ${images}: ${listNames(names)}. ` +
          `There are ${lost.length} such case(s).`,
      );
    }
    return [...found].map(([id, names]) => {
      const label = `${id}${file_ending}`;
      return {
        id: id.normalize('NFC'),
        images: names.map((name) => `${images}/${name}`),
        ...(present?.has(label) && { label: `${references}/${label}` }),
      };
    });
  };
  const listed = dataset && Object.entries(dataset).map(([id, entry]) => ({ id, ...entry }));
  return {
    training: listed ?? (await cases('imagesTr', 'labelsTr')),
    test: await cases('imagesTs', undefined),
    labels: readLabels(labels, file, onWarning),
  };
}

/** The files `CASE_0000.ending` of each case, both sorted. */
function channelsByCase(names: readonly string[], ending: string): Map<string, string[]> {
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
