import { readFile } from 'node:fs/promises';
import { basename, dirname, extname } from 'node:path';
import { parse as parseCsv } from 'csv-parse/sync';
import { z } from 'zod';
import { DataError, listNames, messageOf, OptionError, show, unknownName } from '../errors.js';
import { stripImageExtension } from '../formats/index.js';
import { caseInside, type SourceItem, source } from './define.js';

/** One case: its image, an `id` where the file's name does not do, and any further volumes by key. */
export type DatalistItem = Readonly<Record<string, string>>;

const itemType = z.record(z.string(), z.string());
const entryType = z.union([z.string().transform((image): DatalistItem => ({ image })), itemType]);

/**
 * The cases of a list. Every key of an item but `id` names a file; `load` reads all of them.
 *
 * @throws OptionError or DataError for a file that is no such list.
 */
export const datalist = source({
  name: 'datalist',
  summary: "A list of cases: in the pipeline itself, or in a JSON (MONAI's data lists) or CSV file.",
  options: {
    items: z
      .array(itemType)
      .min(1)
      .optional()
      .describe('The cases: maps of image, further volumes by key, and id'),
    path: z.string().min(1).optional().describe('A JSON or CSV file with the list'),
    key: z
      .string()
      .min(1)
      .optional()
      .describe('The list in a JSON file that has several: training, validation, …'),
    root: z
      .string()
      .min(1)
      .optional()
      .describe("Folder of the file's relative paths, which they may not leave. Default: its own"),
  },
  check: ({ items, path, key, root }) => {
    if ((items === undefined) === (path === undefined))
      return ['either items or path must be given, and not both'];
    return items && (key ?? root) !== undefined ? ['key and root go with path, not with items'] : [];
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
      `${where}: the case ${show({ id, ...entries })} names no file; expected at least "image".`,
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
      `${path} is no readable ${extname(path).slice(1).toUpperCase() || 'JSON'}: ${messageOf(error)}.`,
    );
  }
  if (!Array.isArray(list)) list = chooseList(path, list as Record<string, unknown>, key);
  const parsed = z.array(entryType).min(1).safeParse(list, { reportInput: true });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new DataError(
    `${path}: entry ${issue.path.join('.') || 'list'} is ${show(issue.input)}, but expected is a list of image paths or of maps such as { image, label }.`,
  );
}

function chooseList(path: string, content: Record<string, unknown> | null, key: string | undefined): unknown {
  const lists = Object.keys(content ?? {}).filter((name) => Array.isArray(content?.[name]));
  if (key === undefined) {
    if (lists.length === 1) return content?.[lists[0]];
    throw new OptionError(`${path} holds the lists ${listNames(lists)}; say which with source.key.`);
  }
  if (!lists.includes(key)) throw new OptionError(`${path} (source.key): ${unknownName('list', key, lists)}`);
  return content?.[key];
}
