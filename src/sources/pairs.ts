import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { z } from 'zod';
import { DataError, listNames, messageOf, OptionError, show } from '../errors.js';
import { isImageFile, stripImageExtension } from '../formats/index.js';
import type { GivenOptions } from '../options.js';
import { readLabels } from './decathlon.js';
import { type SourceItem, source } from './define.js';
import { filesOfPattern, hole } from './glob.js';

const options = {
  pred: z.string().min(1).describe('Folder of the predictions, or a pattern, e.g. out/{case}/spleen.nii.gz'),
  label: z.string().min(1).describe('Folder of the references, or a pattern with {case}'),
  image: z
    .string()
    .min(1)
    .optional()
    .describe('Folder of the images, or a pattern with {case}, for the report'),
  predPostfix: z
    .string()
    .min(1)
    .optional()
    .describe('Use only predictions whose name ends in this, e.g. _seg'),
  labelPostfix: z.string().min(1).optional().describe('Use only references whose name ends in this'),
  names: z
    .string()
    .min(1)
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
  async *open(options) {
    const found = await findPairs(options);
    const labelNames = await readNames(options);
    for (const pair of found.pairs) yield toItem(pair, options, labelNames);
  },
});

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
  readonly image?: string;
}

/**
 * Pairs predictions with references by name. Names fit if they are equal, or if one continues the other with
 * `_`, `-`, `.` or a space: `ct_1_seg` fits `ct_1` but not `ct_10`. Equal names fit best, followed by the
 * longest common part. `unpaired` contains the predictions that fit no reference.
 */
export async function findPairs(
  options: Options,
): Promise<{ pairs: readonly Pair[]; unpaired: readonly string[] }> {
  const labels = await listNamed(options.label, 'label', options.labelPostfix);
  const preds = await listNamed(options.pred, 'pred', options.predPostfix);
  const images = options.image ? await listNamed(options.image, 'image') : [];
  const fitting = new Map<Named, Named[]>(labels.map((label) => [label, []]));
  const unpaired: string[] = [];
  for (const pred of preds) {
    const best = bestFits(pred.name, labels);
    for (const label of best) fitting.get(label)?.push(pred);
    if (best.length === 0) unpaired.push(pred.file);
  }
  const pairs = labels.map((label) => {
    const best = bestFits(label.name, fitting.get(label) ?? []);
    const shorter = best.length === 1 && best[0].name.length < label.name.length ? best[0] : label;
    const image = bestFits(shorter.name, images)[0]?.file;
    return { id: shorter.name, label, preds: best, ...(image && { image }) };
  });
  return { pairs, unpaired };
}

function bestFits(name: string, others: readonly Named[]): readonly Named[] {
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
      ? [{ name: id.slice(0, id.length - postfix.length), file }]
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
          `name the cases, give a pattern: ${join(where, hole, `${basename(file)}`)}`,
      );
    }
    names.set(name, file);
  }
  return found;
}

async function filesOfFolder(folder: string, key: string): Promise<{ id: string; file: string }[]> {
  const paths = await readdir(folder, { recursive: true }).catch((error) => {
    throw new OptionError(
      `The folder ${folder} (source.${key}) cannot be read: ${messageOf(error)}. Give a folder, or a pattern with ${hole}.`,
    );
  });
  return paths
    .filter((path) => isImageFile(basename(path)))
    .map((path) => ({ id: stripImageExtension(path), file: join(folder, path) }))
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

function toItem(
  { id, label, preds, image }: Pair,
  options: Options,
  labelNames?: Record<number, string>,
): SourceItem {
  if (preds.length === 1) {
    const files = { pred: preds[0].file, label: label.file, ...(image && { image }) };
    return { id, files, volumes: {}, metrics: [], timings: {}, ...(labelNames && { labelNames }) };
  }
  if (preds.length === 0) {
    return {
      id,
      refused:
        `There is no prediction for case ${id}: no file in ${options.pred} has a name that fits ` +
        `${label.file}.`,
    };
  }
  const names = preds.slice(0, 4).map(({ file }) => relative(options.pred, file));
  return {
    id,
    refused:
      `${preds.length} predictions in ${options.pred} fit case ${id}: ${listNames(names)}. Set ` +
      'predPostfix to the ending of their names.',
  };
}

async function readNames({ names, pred, label }: Options): Promise<Record<number, string> | undefined> {
  const folders = [label, join(label, '..'), pred].filter((folder) => !folder.includes(hole));
  const file =
    names ?? folders.map((folder) => join(folder, 'dataset.json')).find((path) => existsSync(path));
  if (!file) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new DataError(`${file}, with the label names, is not readable JSON: ${messageOf(error)}.`);
  }
  const parsed = z
    .object({ labels: z.record(z.string(), z.union([z.string(), z.number()])) })
    .safeParse(content);
  if (parsed.success) return readLabels(parsed.data.labels);
  if (!names) return undefined;
  throw new DataError(
    `${file} (source.names) must contain "labels", a map, e.g. { "1": "spleen" } or { "spleen": 1 }, ` +
      `but it contains ${show(content)}.`,
  );
}
