import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { isAddress, joinPlace, shownPlace } from '../address.js';
import { listNames, OptionError } from '../errors.js';
import { isImageFile, stripImageExtension } from '../formats/index.js';
import { readStart } from '../formats/openFile.js';
import { placeType } from '../optionTypes.js';
import { parseCsvList } from './csvList.js';
import type { DatasetLabels } from './datasetLabels.js';
import { caseInside, type SourceItem, source } from './define.js';
import { nameBelow, openFilesBelow } from './filesBelow.js';
import { decodeText, readText } from './text.js';

/**
 * The images of a dataset in BIDS (`sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz`), with masks from its
 * `derivatives`. Subjects without sessions, and files in other folders than `anat`, are read as well. A
 * case's id is the name of its image without the suffix: `sub-01_ses-1`.
 *
 * A mask belongs to the image of its subject and session whose entities (`acq-…`, `run-…`) its name repeats;
 * if there is only one image, subject and session suffice. Masks in another space (`space-…`) are ignored,
 * unless `label` names the space. Label names come from the `.tsv` beside a mask, from `dseg.tsv` of its
 * derivative, or from the mask's `label-NAME`.
 *
 * @throws OptionError if the folder has no such images, or no such masks.
 */
export const bids = source({
  name: 'bids',
  summary: 'A dataset in BIDS: sub-*/anat/*_T1w.nii.gz, with masks in derivatives.',
  options: {
    root: placeType.describe("The dataset's folder, with sub-* and derivatives"),
    suffix: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
      .default('T1w')
      .describe('What names of images end in, e.g. T1w; several, e.g. [T1w, FLAIR], become channels'),
    label: z
      .string()
      .min(1)
      .optional()
      .describe('What names of masks end in, e.g. label-lesion_mask or dseg. Default: no masks are read'),
    derivatives: z
      .string()
      .min(1)
      .optional()
      .describe('The folder in derivatives with the masks. Default: all of them'),
  },
  check: ({ label, derivatives }) =>
    derivatives !== undefined && label === undefined ? ['derivatives goes with label'] : [],
  example: { root: 'ds000001', suffix: 'T1w', label: 'label-lesion_mask' },
  async *open({ root, ...options }) {
    const tree = isAddress(root) ? await treeAt(root) : treeIn(root);
    try {
      yield* casesIn(tree, options);
    } finally {
      await tree.release();
    }
  },
});

/** The files of a dataset. Names are relative to its root, with the separators of the platform. */
interface Tree {
  readonly root: string;
  /** The names in a folder; none if there is no such folder. */
  readonly entries: (folder: string) => Promise<string[]>;
  /** The names of all files in a folder and below it, relative to it. */
  readonly below: (folder: string) => Promise<string[]>;
  readonly has: (name: string) => boolean;
  readonly text: (name: string) => Promise<string>;
  /** Has to be called when nothing more is read. */
  readonly release: () => Promise<void>;
}

function treeIn(root: string): Tree {
  return {
    root,
    entries: (folder) => readdir(join(root, folder)).catch(() => []),
    below: (folder) => readdir(join(root, folder), { recursive: true }),
    has: (name) => existsSync(join(root, name)),
    text: (name) => readText(join(root, name)),
    release: async () => {},
  };
}

/** The files at an address, which are listed once. */
async function treeAt(root: string): Promise<Tree> {
  const { paths, open, release } = await openFilesBelow(root);
  const files = new Map(paths.map((path) => [join(...nameBelow(root, path).split('/')), path]));
  const below = (folder: string) => {
    const start = folder === '' ? '' : join(folder, '/');
    return [...files.keys()].flatMap((name) => (name.startsWith(start) ? [name.slice(start.length)] : []));
  };
  return {
    root,
    entries: async (folder) => [...new Set(below(folder).map((name) => name.split(/[\\/]/)[0]))],
    below: async (folder) => below(folder),
    has: (name) => files.has(name),
    text: (name) => {
      const file = files.get(name) ?? name;
      return open(file, async (opened, size) => decodeText(await readStart(opened, size), shownPlace(file)));
    },
    release,
  };
}

/** What to read of a dataset: the options of the source besides its root. */
interface Wanted {
  readonly suffix: string | readonly string[];
  readonly label?: string;
  readonly derivatives?: string;
}

async function* casesIn(tree: Tree, { suffix, label, derivatives }: Wanted): AsyncGenerator<SourceItem> {
  const [first, ...others] = [suffix].flat();
  const raw = await filesOfSubjects(tree, '');
  const images = raw.filter((file) => endsIn(file, first));
  if (images.length === 0) {
    throw new OptionError(
      `${shownPlace(tree.root)} (source.root) has no image sub-*/**/*_${first}.nii.gz. Give the folder that contains sub-*, or ` +
        'another suffix.',
    );
  }
  const masks = label ? await findMasks(tree, label, derivatives) : [];
  const named = new Set(raw);
  for (const image of images) {
    const channels = others.map((other) => image.replace(`_${first}.`, `_${other}.`));
    const missing = channels.find((file) => !named.has(file));
    const rivals = images.filter((other) => sessionOf(other) === sessionOf(image));
    const found = masks.filter((mask) => belongs(mask, image, rivals.length === 1));
    yield await toItem({ tree, image, first, channels, missing, masks: found });
  }
}

interface Parts {
  readonly tree: Tree;
  readonly image: string;
  readonly first: string;
  /** The files of the other suffixes. */
  readonly channels: readonly string[];
  readonly missing: string | undefined;
  readonly masks: readonly string[];
}

async function toItem({ tree, image, first, channels, missing, masks }: Parts): Promise<SourceItem> {
  const id = stripImageExtension(basename(image)).slice(0, -first.length - 1);
  if (missing !== undefined) {
    return { id, refused: `Case ${id} has no file ${shownPlace(joinPlace(tree.root, missing))}.` };
  }
  if (masks.length > 1) {
    return {
      id,
      refused:
        `${masks.length} masks fit case ${id}: ${listNames(masks.slice(0, 4))}. Set source.derivatives, or more of ` +
        'the names as source.label.',
    };
  }
  const [label] = masks;
  const files = { image: [image, ...channels], ...(label && { label }) };
  return caseInside(id, tree.root, files, label ? await namesOf(tree, label) : {});
}

async function findMasks(tree: Tree, label: string, derivatives: string | undefined): Promise<string[]> {
  const folders = derivatives === undefined ? await tree.entries('derivatives') : [derivatives];
  const files = await Promise.all(
    folders.map((folder) => filesOfSubjects(tree, join('derivatives', folder))),
  );
  const found = files
    .flat()
    .filter((file) => endsIn(file, label) && (label.includes('space-') || !file.includes('_space-')));
  if (found.length > 0) return found;
  const places = derivatives ?? '*';
  throw new OptionError(
    `${shownPlace(tree.root)} (source.root) has no mask derivatives/${places}/sub-*/**/*_${label}.nii.gz. Check source.label and ` +
      'source.derivatives.',
  );
}

/** The image files of all subjects in a folder of the dataset, relative to its root, sorted. */
async function filesOfSubjects(tree: Tree, folder: string): Promise<string[]> {
  const subjects = (await tree.entries(folder)).filter((name) => name.startsWith('sub-'));
  const files = await Promise.all(
    subjects.map(async (subject) => {
      const names = await tree.below(join(folder, subject));
      return names.filter((name) => isImageFile(basename(name))).map((name) => join(folder, subject, name));
    }),
  );
  return files.flat().sort();
}

function endsIn(file: string, ending: string): boolean {
  return stripImageExtension(basename(file)).endsWith(`_${ending}`);
}

/** The entities of a name, e.g. `sub-01`, `ses-1` and `run-2`. */
function entitiesOf(file: string): string[] {
  return stripImageExtension(basename(file))
    .split('_')
    .filter((part) => part.includes('-'));
}

/** Subject and session. */
function sessionOf(file: string): string {
  return entitiesOf(file)
    .filter((entity) => /^(sub|ses)-/.test(entity))
    .join('_');
}

function belongs(mask: string, image: string, onlyImage: boolean): boolean {
  if (onlyImage) return sessionOf(mask) === sessionOf(image);
  const entities = new Set(entitiesOf(mask));
  return sessionOf(mask) === sessionOf(image) && entitiesOf(image).every((entity) => entities.has(entity));
}

/** The label names of a mask, from a table of BIDS (`index`, `name`) or from the entity `label-NAME`. */
async function namesOf(tree: Tree, mask: string): Promise<DatasetLabels> {
  const beside = join(dirname(mask), `${stripImageExtension(basename(mask))}.tsv`);
  const derivative = mask.split(/[\\/]/).slice(0, 2).join('/');
  const table = /_dseg\./.test(mask) ? [beside, join(derivative, 'dseg.tsv')].find(tree.has) : undefined;
  if (table) {
    const file = shownPlace(joinPlace(tree.root, table));
    const rows = parseCsvList(await tree.text(table), file).filter(({ index }) =>
      /^[1-9]\d*$/.test(index ?? ''),
    );
    return { labelNames: Object.fromEntries(rows.map(({ index, name }) => [Number(index), name || index])) };
  }
  const label = entitiesOf(mask).find((entity) => entity.startsWith('label-'));
  return label && /_mask\./.test(mask) ? { labelNames: { 1: label.slice('label-'.length) } } : {};
}
