import { extname } from 'node:path';
import { z } from 'zod';
import { checkPlace, folderOf, isAddress, nameOf } from '../address.js';
import { DataError, listNames, messageOf, OptionError, show, unknownName } from '../errors.js';
import { isImageFile } from '../formats/index.js';
import { placeType } from '../optionTypes.js';
import { parseCsvList } from './csvList.js';
import { type DatasetLabels, labelsType, readLabels } from './datasetLabels.js';
import { caseInside, type SourceItem, source } from './define.js';
import { distinctIds } from './distinctIds.js';
import { checkCount, parseJson, readText } from './text.js';

/** The files of a case: one for each key, or several that become channels of one volume. */
type Files = Readonly<Record<string, string | readonly string[]>>;

interface Entry {
  readonly id?: string;
  readonly files: Files;
}

const filesType = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

/**
 * The cases of a list. A key of an item names a file, or several files whose channels are stacked. `id` names
 * the case. Keys without image files in the whole list, e.g. `age` or `fold`, are left out with a warning.
 * `Image`, `Label`, `Pred` and `ID` count as `image`, `label`, `pred` and `id`. Label names of a JSON file
 * (`labels`, as in dataset.json) are used.
 *
 * Lists are text in UTF-8 or UTF-16. A CSV file may separate columns by commas, semicolons, tabs or bars.
 *
 * @throws OptionError or DataError for a file that is not such a list.
 */
export const datalist = source({
  name: 'datalist',
  summary: "A list of cases, in the pipeline itself or in a JSON (MONAI's data lists) or CSV file.",
  options: {
    items: z
      .array(z.record(z.string(), filesType))
      .min(1)
      .optional()
      .describe('The cases: maps with image, further volumes by key, and id'),
    path: placeType.optional().describe('A JSON or CSV file with the list'),
    key: z
      .string()
      .min(1)
      .optional()
      .describe('The list to use in a JSON file with several: training, validation, …'),
    root: placeType
      .optional()
      .describe(
        "Folder that the file's relative paths refer to; paths must stay inside it. Default: the file's " +
          'folder',
      ),
  },
  check: ({ items, path, key, root }) => {
    if ((items === undefined) === (path === undefined))
      return ['either items or path must be given, but not both'];
    return items && (key ?? root) !== undefined ? ['key and root require path instead of items'] : [];
  },
  example: { path: 'list.json', key: 'validation', root: 'data' },
  async *open({ items, path, key, root }, { onWarning }) {
    if (items) {
      yield* casesOf({ rows: [...items] }, undefined, 'items', onWarning);
    } else if (path) {
      yield* casesOf(await readList(path, key, onWarning), root ?? folderOf(path), path, onWarning);
    }
  },
});

type Row = Readonly<Record<string, unknown>>;

interface List {
  /** Emptied while the cases are listed: a list may have a million. */
  readonly rows: Row[];
  readonly labels?: DatasetLabels | undefined;
}

function* casesOf(
  { rows, labels }: List,
  root: string | undefined,
  where: string,
  onWarning: (message: string) => void,
): Generator<SourceItem> {
  renameKnownKeys_(rows);
  const isFile = fileKeys(rows);
  const others = new Set([...keysOf(rows)].filter((key) => key !== 'id' && !isFile(key)));
  if (others.size > 0) {
    const verbs = others.size === 1 ? ['contains', 'is'] : ['contain', 'are'];
    onWarning(
      `${where}: ${listNames([...others].map((key) => show(key)))} ${verbs[0]} no image files and ${verbs[1]} not read.`,
    );
  }
  // Entries are made twice, because a list may have a million of them, and holding them all takes memory.
  const entryOf = (i: number) => toEntry(rows[i], isFile, `${where}: entry ${i}`);
  const unnamed: string[] = [];
  let isNamed = true;
  for (const i of rows.keys()) {
    const { id, files } = entryOf(i);
    isNamed &&= id !== undefined;
    unnamed.push([files.image ?? Object.values(files)[0]].flat()[0]);
  }
  const ids = isNamed ? [] : distinctIds(unnamed);
  const hint = 'Set source.root to a folder that holds all files of the list.';
  for (const i of rows.keys()) {
    const { id = ids[i], files } = entryOf(i);
    rows[i] = {};
    if (root !== undefined) yield caseInside(id, root, files, labels, hint);
    else yield caseOf(id, files);
  }
}

function caseOf(id: string, files: Files): SourceItem {
  const stacked = Object.entries(files).map(([key, given]) => {
    const places = [given].flat().map(checkPlace);
    return [key, places.length === 1 ? places[0] : { channels: places }];
  });
  return { id, files: Object.fromEntries(stacked), volumes: {}, metrics: [], timings: {} };
}

const knownKeys = ['image', 'label', 'pred', 'id'];

/** The keys of all rows. */
function keysOf(rows: readonly Row[]): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const row of rows) for (const key of Object.keys(row)) keys.add(key);
  return keys;
}

/** Renames a key such as `Image` to `image`, if no row has that key already. */
function renameKnownKeys_(rows: Row[]): void {
  const present = keysOf(rows);
  const renamed = new Map(
    knownKeys.flatMap((known) => {
      const alike = [...present].filter((key) => key.toLowerCase() === known);
      return alike.length === 1 && alike[0] !== known ? [[alike[0], known] as const] : [];
    }),
  );
  if (renamed.size === 0) return;
  for (const [i, row] of rows.entries()) {
    rows[i] = Object.fromEntries(Object.entries(row).map(([key, value]) => [renamed.get(key) ?? key, value]));
  }
}

/**
 * Which keys name files: `image`, `label`, `pred`, and those that name an image file somewhere in the list.
 */
function fileKeys(rows: readonly Readonly<Record<string, unknown>>[]): (key: string) => boolean {
  const keys = new Set(['image', 'label', 'pred']);
  for (const row of rows) {
    for (const [key, value] of Object.entries(row)) {
      if (keys.has(key)) continue;
      const names = [value].flat();
      if (names.some((name) => typeof name === 'string' && isImageFile(baseOf(name)))) keys.add(key);
    }
  }
  return (key) => key !== 'id' && keys.has(key);
}

function baseOf(path: string): string {
  if (isAddress(path)) return nameOf(path);
  return path.split(/[\\/]/).at(-1) ?? path;
}

function toEntry(
  { id, ...row }: Readonly<Record<string, unknown>>,
  isFile: (key: string) => boolean,
  where: string,
): Entry {
  const files: Record<string, string | readonly string[]> = {};
  for (const [key, value] of Object.entries(row)) {
    if (!isFile(key) || value === '' || value === null) continue;
    const parsed = filesType.safeParse(value);
    if (!parsed.success) {
      throw new DataError(
        `${where}: ${key} is ${show(value)}, but the path of a file or a list of paths was expected.`,
      );
    }
    files[key] = parsed.data;
  }
  if (Object.keys(files).length === 0) {
    throw new DataError(`${where} is ${show({ id, ...row })}, which has no file; expected at least "image".`);
  }
  const named = typeof id === 'number' ? String(id) : id;
  if (named !== undefined && named !== '' && typeof named !== 'string') {
    throw new DataError(`${where}: id is ${show(id)}, but it must be text or a number.`);
  }
  return { ...(named && { id: named.normalize('NFC') }), files };
}

async function readList(
  path: string,
  key: string | undefined,
  onWarning: (message: string) => void,
): Promise<List> {
  const text = await readText(path).catch((error) => {
    if (error instanceof DataError) throw error;
    throw new OptionError(`The list ${path} (source.path) cannot be read: ${messageOf(error)}.`);
  });
  // A name may be wrong, but no table begins with a bracket.
  const isTable = /^\.(csv|tsv|txt)$/i.test(extname(nameOf(path))) && !/^\s*[[{]/.test(text);
  const content = isTable ? parseCsvList(text, path) : parseJson(text, path);
  const list = Array.isArray(content) ? content : chooseList(path, content, key);
  if (!Array.isArray(list) || list.length === 0) throw new DataError(`${path}: the list is empty.`);
  checkCount(list.length, path);
  const rows = list.map((entry, i): Row => {
    const row = typeof entry === 'string' ? { image: entry } : entry;
    if (row !== null && typeof row === 'object' && !Array.isArray(row)) return row;
    throw new DataError(
      `${path}: entry ${i} is ${show(entry)}, but the path of an image or a map with image and label was expected.`,
    );
  });
  const named = z.object({ labels: labelsType }).safeParse(content);
  return { rows, labels: named.success ? readLabels(named.data.labels, path, onWarning) : undefined };
}

function chooseList(path: string, content: unknown, key: string | undefined): unknown {
  const lists = new Map(
    Object.entries(content ?? {}).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1])),
  );
  if (key !== undefined) {
    if (lists.has(key)) return lists.get(key);
    throw new OptionError(`${path} (source.key): ${unknownName('list', key, [...lists.keys()])}`);
  }
  const filled = [...lists].filter(([, list]) => list.length > 0);
  if (filled.length === 1) return filled[0][1];
  if (lists.size === 0) {
    throw new DataError(
      `${path} contains no list of cases. Expected is a list of { image, label }, or a map with such a list, e.g. ` +
        '{ "training": [{ "image": "a.nii.gz" }] }.',
    );
  }
  throw new OptionError(
    `${path} contains the lists ${listNames([...lists.keys()])}; choose one with source.key.`,
  );
}
