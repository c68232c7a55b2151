import { readdir } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { z } from 'zod';
import { absolutePlace, folderOf, isAddress, joinPlace, nameInside, nameOf, shownPlace } from '../address.js';
import { DataError, listNames, messageOf, OptionError, show } from '../errors.js';
import { isImageFile, stripImageExtension } from '../formats/index.js';
import { listSome } from '../metrics/table.js';
import type { GivenOptions } from '../options.js';
import { placeType } from '../optionTypes.js';
import { listPlace, statPlace } from '../storage/places.js';
import { type DatasetLabels, labelsType, readLabels } from './datasetLabels.js';
import { type SourceItem, source } from './define.js';
import { filesOfPattern, hole } from './glob.js';
import { parseJson, readText } from './text.js';

const options = {
  pred: placeType.describe(
    'Folder of the predictions, a pattern, e.g. out/{case}/spleen.nii.gz, or one file',
  ),
  label: placeType.describe('Folder of the references, a pattern with {case}, or one file'),
  image: placeType.optional().describe('Folder of the images, or a pattern with {case}, for the report'),
  predPostfix: z
    .string()
    .min(1)
    .optional()
    .describe('Use only predictions whose name ends in this, e.g. _seg'),
  labelPostfix: z.string().min(1).optional().describe('Use only references whose name ends in this'),
  names: placeType
    .optional()
    .describe('JSON file with label names under "labels". Default: the dataset.json of the folders'),
};

type Options = GivenOptions<typeof options>;

/**
 * Predictions (`pred`) and references (`label`), paired by file name as in `findPairs`.
 *
 * @throws OptionError if a folder has no images; DataError if a case has no prediction, or several.
 */
export const pairs = source({
  name: 'pairs',
  summary: 'Predictions and references, paired by file name.',
  options,
  check: ({ pred, label, predPostfix, labelPostfix }) => [
    ...(pred.includes(hole) && predPostfix ? ['predPostfix requires a folder, but pred is a pattern'] : []),
    ...(label.includes(hole) && labelPostfix
      ? ['labelPostfix requires a folder, but label is a pattern']
      : []),
  ],
  example: { pred: 'results/spleen', label: 'data/Task09_Spleen/labelsTr' },
  async *open(options, { onWarning }) {
    const { pairs: found, unpaired } = await findPairs(options);
    const labels = await readNames(options, onWarning);
    if (unpaired.length > 0) {
      onWarning(`${unpaired.length} prediction(s) fit no reference and are left out: ${listSome(unpaired)}.`);
    }
    if (
      absolutePlace(options.pred) === absolutePlace(options.label) &&
      !options.predPostfix &&
      !options.labelPostfix
    ) {
      onWarning(`pred and label are both ${options.pred}: each file is compared with itself.`);
    }
    const stated = found[0]?.label.file === options.label && found[0].preds[0]?.file === options.pred;
    const loose = stated ? [] : looseFits(found);
    if (loose.length > 0) onWarning(looseWarning(loose));
    for (const pair of found) yield toItem(pair, options, labels);
  },
});

/** What names of segmentations usually end in: these, or four digits, as the channels of nnU-Net. */
const usualEnding = /^[_\-. ](seg|pred|trans|mask|label|gt|out|result|manual|auto|\d{4}$)/i;

/**
 * Pairs that may not belong together: their names differ by another text than the names of the other pairs,
 * or the only pair differs by an unusual text.
 */
function looseFits(found: readonly Pair[]): readonly Pair[] {
  const paired = found.filter(({ preds, rivals }) => preds.length === 1 && rivals.length === 0);
  const extraOf = ({ label, preds: [pred] }: Pair) =>
    pred.name.length > label.name.length
      ? pred.name.slice(label.name.length)
      : label.name.slice(pred.name.length);
  const extras = new Set(paired.map(extraOf));
  const [extra = ''] = extras;
  if (extras.size < 2 && (paired.length > 1 || extra === '' || usualEnding.test(extra))) return [];
  return paired.filter(({ label, preds: [pred] }) => pred.name !== label.name);
}

function looseWarning(loose: readonly Pair[]): string {
  const names = loose.map(({ label, preds: [pred] }) => `${nameOf(pred.file)} with ${nameOf(label.file)}`);
  return (
    `Predictions were paired with references with another name: ${listSome(names)}. If they do not belong together, ` +
    `give patterns on both sides, e.g. pred/${hole}.nii.gz and label/${hole}.nii.gz: then names must be equal. ` +
    'Or set predPostfix or labelPostfix to the ending of the names.'
  );
}

/** An image file, with the name of its case and what may follow it. */
interface Named {
  readonly name: string;
  readonly file: string;
}

/** A reference and the predictions whose names fit best. If all is well, there is exactly one. */
export interface Pair {
  readonly id: string;
  readonly label: Named;
  readonly preds: readonly Named[];
  /** Other references that its only prediction fits equally well. */
  readonly rivals: readonly Named[];
  readonly image?: string;
}

/**
 * Pairs predictions with references by name. Names fit if they are equal, or if one continues the other with
 * `_`, `-`, `.` or a space: `ct_1_seg` fits `ct_1` but not `ct_10`. Equal names fit best, followed by the
 * longest common part. If patterns or postfixes are given for both sides, names must be equal. Composed and
 * decomposed accents are the same. Two files that are given by their paths are a pair. `unpaired` contains
 * the predictions that fit no reference.
 */
export async function findPairs(
  options: Options,
): Promise<{ pairs: readonly Pair[]; unpaired: readonly string[] }> {
  const labels = await listNamed(options.label, 'label', options.labelPostfix);
  const preds = await listNamed(options.pred, 'pred', options.predPostfix);
  const images = options.image ? await listNamed(options.image, 'image') : [];
  const fitting = new Map<Named, Named[]>(labels.map((label) => [label, []]));
  const rivals = new Map<Named, readonly Named[]>();
  const unpaired: string[] = [];
  // Two files that were given as such belong together, whatever their names are.
  if (isOnly(preds, options.pred) && isOnly(labels, options.label)) {
    const image = (images.length === 1 ? images : bestFits(labels[0].name, images))[0]?.file;
    const pair = { id: labels[0].name, label: labels[0], preds, rivals: [], ...(image && { image }) };
    return { pairs: [pair], unpaired: [] };
  }
  const settled =
    (options.pred.includes(hole) || options.predPostfix !== undefined) &&
    (options.label.includes(hole) || options.labelPostfix !== undefined);
  for (const pred of preds) {
    const best = bestFits(pred.name, labels, settled);
    rivals.set(pred, best);
    for (const label of best) fitting.get(label)?.push(pred);
    if (best.length === 0) unpaired.push(pred.file);
  }
  const pairs = labels.map((label) => {
    const best = bestFits(label.name, fitting.get(label) ?? []);
    const shorter = best.length === 1 && best[0].name.length < label.name.length ? best[0] : label;
    const image = bestFits(shorter.name, images)[0]?.file;
    const others = best.length === 1 ? (rivals.get(best[0]) ?? []).filter((other) => other !== label) : [];
    // A prediction that fits several references does not name the case.
    const { name } = others.length > 0 ? label : shorter;
    return { id: name, label, preds: best, rivals: others, ...(image && { image }) };
  });
  return { pairs, unpaired };
}

/** Whether files were found by the path of one. */
function isOnly(found: readonly Named[], where: string): boolean {
  return found.length === 1 && found[0].file === where;
}

function bestFits(name: string, others: readonly Named[], equal = false): readonly Named[] {
  if (equal) return others.filter((other) => other.name === name);
  const scores = others.map((other) => fit(name, other.name));
  const best = Math.max(...scores, 1);
  return others.filter((_, i) => scores[i] === best);
}

/**
 * How well two names fit: infinity if they are equal, the length of the shorter one if it begins the longer
 * one, else 0.
 */
function fit(a: string, b: string): number {
  if (a === b) return Number.POSITIVE_INFINITY;
  const [shorter, longer] = a.length < b.length ? [a, b] : [b, a];
  return longer.startsWith(shorter) && /[_\-. ]/.test(longer[shorter.length]) ? shorter.length : 0;
}

async function listNamed(where: string, key: 'pred' | 'label' | 'image', postfix = ''): Promise<Named[]> {
  const all = where.includes(hole) ? await filesOfPattern(where) : await filesOfFolder(where, key);
  const found = all.flatMap(({ id, file }) =>
    id.endsWith(postfix) && id.length > postfix.length
      ? [{ name: id.slice(0, id.length - postfix.length).normalize('NFC'), file }]
      : [],
  );
  if (found.length === 0) {
    const rest =
      all.length > 0 ? `; none of its ${all.length} images has a name that ends in "${postfix}"` : '';
    throw new OptionError(
      `${where} (source.${key}) has no images${rest}. Give the folder of the NIfTI files.`,
    );
  }
  const names = new Map<string, string>();
  for (const { name, file } of found) {
    const twin = names.get(name);
    if (twin) {
      throw new OptionError(
        `${where} (source.${key}) has two files with the name ${name}: ${twin} and ${file}. If folders ` +
          `name the cases, give a pattern: ${joinPattern(where, nameOf(file))}`,
      );
    }
    names.set(name, file);
  }
  return found;
}

/** A pattern for files of one name in the folders of their cases. */
function joinPattern(folder: string, name: string): string {
  return isAddress(folder) ? `${shownPlace(folder)}/${hole}/${name}` : join(folder, hole, name);
}

async function filesOfFolder(folder: string, key: string): Promise<{ id: string; file: string }[]> {
  if (isAddress(folder)) return filesAtAddress(folder);
  const paths = await readdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    const isFile = error.code === 'ENOTDIR';
    if (isFile && isImageFile(basename(folder))) return undefined;
    const why = error.code === 'ENOENT' ? 'does not exist' : isFile ? 'is not an image' : messageOf(error);
    throw new OptionError(
      `${folder} (source.${key}) ${why}. Give a folder, a pattern with ${hole}, or an image.`,
    );
  });
  if (!paths) return [{ id: stripImageExtension(basename(folder)), file: folder }];
  return imagesAmong(paths, sep).map((path) => ({ id: stripImageExtension(path), file: join(folder, path) }));
}

/** The images at an address: that of one, or of a folder with all folders below it. */
async function filesAtAddress(address: string): Promise<{ id: string; file: string }[]> {
  const name = nameOf(address);
  if (isImageFile(name) && (await statPlace(address))) {
    return [{ id: stripImageExtension(name), file: address }];
  }
  const files = new Map(
    (await listPlace(address)).map(({ path }) => [nameInside(address, path) ?? '', path]),
  );
  return imagesAmong([...files.keys()], '/').map((path) => ({
    id: stripImageExtension(path),
    file: files.get(path) ?? path,
  }));
}

/** The images among the files of a folder, sorted by the ids of their cases. */
function imagesAmong(paths: readonly string[], separator: string): string[] {
  // The report of a run holds masks for its pictures.
  const report = paths.includes('run.json') ? `report${separator}` : undefined;
  const named = paths
    .filter((path) => isImageFile(basename(path)) && !inHiddenFolder(path))
    .filter((path) => report === undefined || !path.startsWith(report))
    .map((path) => ({ id: stripImageExtension(path), path }));
  return named.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)).map(({ path }) => path);
}

/** Whether a path goes through a hidden folder, e.g. `.ipynb_checkpoints`. */
function inHiddenFolder(path: string): boolean {
  return path.split(/[\\/]/).some((part) => part.startsWith('.'));
}

function toItem(
  { id, label, preds, rivals, image }: Pair,
  options: Options,
  labels: DatasetLabels | undefined,
): SourceItem {
  if (rivals.length > 0) {
    const names = [label, ...rivals].slice(0, 5).map(({ file }) => nameOf(file));
    return {
      id,
      refused:
        `The prediction ${preds[0].file} fits ${rivals.length + 1} references equally well: ${listNames(names)}. ` +
        'Set labelPostfix to what the names of references end in.',
    };
  }
  if (preds.length === 1) {
    const files = { pred: preds[0].file, label: label.file, ...(image && { image }) };
    return { id, files, volumes: {}, metrics: [], timings: {}, ...labels };
  }
  if (preds.length === 0) {
    return {
      id,
      refused:
        `There is no prediction for case ${id}: no file in ${options.pred} has a name that fits ` +
        `${label.file}. If names end differently, set predPostfix and labelPostfix to their endings.`,
    };
  }
  const names = preds
    .slice(0, 4)
    .map(({ file }) => (isAddress(file) ? nameOf(file) : relative(options.pred, file)));
  return {
    id,
    refused:
      `${preds.length} predictions in ${options.pred} fit case ${id}: ${listNames(names)}. Set ` +
      'predPostfix to the ending of their names.',
  };
}

async function readNames(
  { names, pred, label }: Options,
  onWarning: (message: string) => void,
): Promise<DatasetLabels | undefined> {
  const folders = [label, folderOf(label), pred].filter((folder) => !folder.includes(hole));
  const file = names ?? (await firstThere(folders.map((folder) => joinPlace(folder, 'dataset.json'))));
  if (!file) return undefined;
  const text = await readText(file).catch((error) => {
    throw error instanceof DataError
      ? error
      : new OptionError(`${file}, with the label names, cannot be read: ${messageOf(error)}.`);
  });
  const content = parseJson(text, file);
  if (!names && !(content instanceof Object && 'labels' in content)) return undefined;
  const parsed = z.object({ labels: labelsType }).safeParse(content);
  if (parsed.success) return readLabels(parsed.data.labels, file, onWarning);
  throw new DataError(
    `${file} must contain "labels", a map, e.g. { "1": "spleen" } or { "spleen": 1 }, but it contains ` +
      `${show(content)}.`,
  );
}

async function firstThere(places: readonly string[]): Promise<string | undefined> {
  for (const place of places) if (await statPlace(place)) return place;
  return undefined;
}
