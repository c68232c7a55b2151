import { readFile } from 'node:fs/promises';
import { basename, dirname, extname } from 'node:path';
import { parse as parseCsv } from 'csv-parse/sync';
import { z } from 'zod';
import { DataError, listNames, messageOf, OptionError, show, unknownName } from '../errors.js';
import { stripImageExtension } from '../formats/index.js';
import { caseInside, type SourceItem, source } from './define.js';

/** One case: its image, further volumes by key, and an optional `id` that replaces the file name. */
export type DatalistItem = Readonly<Record<string, string>>;

const itemType = z.record(z.string(), z.string());
const entryType = z.union([z.string().transform((image): DatalistItem => ({ image })), itemType]);

/**
 * The cases of a list. Every key of an item except `id` names a file, and `load` reads all of them.
 *
 * @throws OptionError or DataError if the file is not such a list.
 */
export const datalist = source({
  name: 'datalist',
  summary: "A list of cases, in the pipeline itself or in a JSON (MONAI's data lists) or CSV file.",
  options: {
    items: z
      .array(itemType)
      .min(1)
      .optional()
      .describe('The cases: maps with image, further volumes by key, and id'),
    path: z.string().min(1).optional().describe('A JSON or CSV file with the list'),
    key: z
      .string()
      .min(1)
      .optional()
      .describe('The list to use in a JSON file with several: training, validation, …'),
    root: z
      .string()
      .min(1)
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
  async *open({ items, path, key, root }) {
    if (items) {
      for (const item of items) yield fromItem(item, undefined, 'items');
    } else if (path) {
      for (const item of await readList(path, key)) yield fromItem(item, root ?? dirname(path), path);
    }
  },
});

function fromItem({ id, ...entries }: DatalistItem, root: string | undefined, where: string): SourceItem {
  const named = Object.fromEntries(Object.entries(entries).filter(([, entry]) => entry !== ''));
  const first = named.image ?? Object.values(named)[0];
  if (!first)
    throw new DataError(
      `${where}: the case ${show({ id, ...entries })} has no file; expected at least "image".`,
    );
  const name = id ?? stripImageExtension(basename(first));
  if (root !== undefined) return caseInside(name, root, named);
  return { id: name, files: named, volumes: {}, metrics: [], timings: {} };
}

async function readList(path: string, key: string | undefined): Promise<readonly DatalistItem[]> {
  const text = await readFile(path, 'utf8').catch((error) => {
    throw new OptionError(`The list ${path} (source.path) cannot be read: ${messageOf(error)}.`);
  });
  let list: unknown;
  try {
    list =
      extname(path).toLowerCase() === '.csv'
        ? parseCsv(text, { columns: true, skip_empty_lines: true, trim: true, bom: true })
        : JSON.parse(text);
  } catch (error) {
    throw new DataError(
      `${path} is not a readable ${extname(path).slice(1).toUpperCase() || 'JSON'} file: ` +
        `${messageOf(error)}.`,
    );
  }
  if (!Array.isArray(list)) list = chooseList(path, list as Record<string, unknown>, key);
  const parsed = z.array(entryType).min(1).safeParse(list, { reportInput: true });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new DataError(
    `${path}: entry ${issue.path.join('.') || 'list'} is ${show(issue.input)}, but a list of image ` +
      'paths or of maps with image and label was expected.',
  );
}

function chooseList(path: string, content: Record<string, unknown> | null, key: string | undefined): unknown {
  const lists = Object.keys(content ?? {}).filter((name) => Array.isArray(content?.[name]));
  if (key === undefined) {
    if (lists.length === 1) return content?.[lists[0]];
    throw new OptionError(`${path} contains the lists ${listNames(lists)}; choose one with source.key.`);
  }
  if (!lists.includes(key)) throw new OptionError(`${path} (source.key): ${unknownName('list', key, lists)}`);
  return content?.[key];
}
