import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { isAbsolute, resolve, sep } from 'node:path';
import { type Document, isMap, isNode, isSeq, type LineCounter } from 'yaml';
import { messageOf, OptionError, show } from '../errors.js';
import { packagePipelines } from '../models/findModel.js';
import { parseYamlText } from './parseYaml.js';

/** Plain data, as in YAML and JSON. */
export type Data = Readonly<Record<string, unknown>>;

/** A step or sink as written in a file: `name: options` plus `id` and `disabled`. */
export interface Entry {
  readonly id: string;
  readonly name: string;
  readonly options: unknown;
  readonly disabled: boolean;
  /** Its position in its list, from 1, as messages count it. */
  readonly number: number;
}

/** A pipeline from one or more files, before references are replaced and options are checked. */
export interface Draft {
  readonly head: Data;
  readonly steps: readonly Entry[];
  readonly sinks: readonly Entry[];
}

/** A parsed pipeline file and the line numbers of its parts. */
export interface PipelineFile {
  readonly file: string;
  readonly draft: Draft;
  /**
   * The line of the value at a path, or of the nearest existing part of the path. Steps and sinks are given
   * by number.
   */
  readonly lineOf: (path: readonly (string | number)[]) => { line: number; depth: number };
}

/** Reads a pipeline file (YAML or JSON). Throws OptionError with file and line. */
export async function readPipelineFile(file: string): Promise<PipelineFile> {
  return parsePipelineText(await readPipelineText(file), file);
}

/**
 * Reads the text of a pipeline file. The package's own ones, e.g. `pipelines/nnunet.yaml`, are found from any
 * folder. Throws OptionError.
 */
export async function readPipelineText(file: string): Promise<string> {
  return readFile(packagedPipeline(file) ?? file, 'utf8').catch((error) => {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EISDIR'
          ? `it is a folder. A dataset is given with --input ${file}`
          : messageOf(error);
    throw new OptionError(`The pipeline file ${file} cannot be read: ${why}.`);
  });
}

/** The package's pipeline file that a path names, if there is no file at the path itself. */
function packagedPipeline(file: string): string | undefined {
  if (isAbsolute(file) || existsSync(file)) return undefined;
  const packaged = resolve(packagePipelines, '..', file);
  return packaged.startsWith(`${packagePipelines}${sep}`) && existsSync(packaged) ? packaged : undefined;
}

/** Like `readPipelineFile`, for a text. `file` is its name in messages. */
export function parsePipelineText(text: string, file: string): PipelineFile {
  const { content, document, lines } = parseYamlText(text, file);
  if (content === null || typeof content !== 'object' || Array.isArray(content)) {
    throw new OptionError(
      `${file} must contain a map with "source", "steps" and "sinks", but it is ` +
        `${content === null ? 'empty' : show(content)}.`,
    );
  }
  const lineOf = (path: readonly (string | number)[]) => lineIn(document, lines, path);
  const { steps, sinks, ...head } = content as Data;
  const entries = (list: unknown, key: 'steps' | 'sinks') =>
    readEntries(list, key, (index) => `${file}:${lineOf(index === undefined ? [key] : [key, index]).line}`);
  return { file, draft: { head, steps: entries(steps, 'steps'), sinks: entries(sinks, 'sinks') }, lineOf };
}

function lineIn(document: Document, lines: LineCounter, path: readonly (string | number)[]) {
  let node: unknown = document.contents;
  let line = 1;
  let depth = 0;
  for (const part of path) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(isNode(key) ? key.toJSON() : key) === String(part));
      next = pair?.value ?? pair?.key;
      if (pair && isNode(pair.key) && pair.key.range) line = lines.linePos(pair.key.range[0]).line;
    } else if (isSeq(node)) {
      next = node.items[Number(part)];
      if (isNode(next) && next.range) line = lines.linePos(next.range[0]).line;
    }
    if (next === undefined) break;
    node = next;
    depth++;
  }
  return { line, depth };
}

/**
 * Parses a list of steps or sinks. `place` returns the location of the list or of one of its items. Throws
 * OptionError.
 */
export function readEntries(
  list: unknown,
  key: 'steps' | 'sinks',
  place: (index?: number) => string,
): Entry[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) {
    throw new OptionError(`${place()}: ${key} must be a list, but it is ${show(list)}.`);
  }
  const taken = new Set(list.map((item) => item?.id).filter((id) => typeof id === 'string'));
  const entries = list.map((item, index): Entry => {
    const where = `${place(index)}: ${key === 'steps' ? 'step' : 'sink'} ${index + 1}`;
    const { id, disabled = false, ...rest } = typeof item === 'string' ? { [item]: undefined } : (item ?? {});
    const names = typeof rest === 'object' ? Object.keys(rest) : [];
    if (names.length !== 1) {
      throw new OptionError(
        `${where} must be the name of ${key === 'steps' ? 'an operator' : 'a sink'}, or a map with ` +
          `that name as its only key (besides id and disabled), but it is ${show(item)}.`,
      );
    }
    if (typeof disabled !== 'boolean') {
      throw new OptionError(
        `${where} (${names[0]}): disabled must be true or false, but it is ${show(disabled)}.`,
      );
    }
    if (id !== undefined && (typeof id !== 'string' || !/^[\w-]+$/.test(id))) {
      throw new OptionError(
        `${where} (${names[0]}): id must be a word of letters, digits, - and _, but it is ${show(id)}.`,
      );
    }
    const [name] = names;
    const chosen = (id as string | undefined) ?? freeId(name, taken);
    taken.add(chosen);
    return { id: chosen, name, options: rest[name] ?? undefined, disabled, number: index + 1 };
  });
  const twice = entries.find((entry, i) => entries.findIndex(({ id }) => id === entry.id) !== i);
  if (twice) {
    throw new OptionError(
      `${place(twice.number - 1)}: two ${key} have the id "${twice.id}". Ids must be unique.`,
    );
  }
  return entries;
}

/** The name, or if it is taken, the name with the first free number from 2. */
function freeId(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  let number = 2;
  while (taken.has(`${name}${number}`)) number++;
  return `${name}${number}`;
}

/**
 * Merges one draft over another: maps deeply, steps and sinks by id; everything else is replaced. A new step
 * is inserted before the step of the lower draft that follows it in the upper one, or at the end.
 */
export function mergeDrafts(below: Draft, above: Draft): Draft {
  return {
    head: mergeData(below.head, above.head) as Data,
    steps: mergeEntries(below.steps, above.steps),
    sinks: mergeEntries(below.sinks, above.sinks),
  };
}

function mergeEntries(below: readonly Entry[], above: readonly Entry[]): Entry[] {
  const isBelow = ({ id }: Entry) => below.some((entry) => entry.id === id);
  const merged = below.map((entry) => {
    const over = above.find(({ id }) => id === entry.id);
    if (!over) return entry;
    const options = over.name === entry.name ? mergeData(entry.options, over.options) : over.options;
    return { ...over, options };
  });
  above.forEach((entry, i) => {
    if (isBelow(entry)) return;
    const next = above.slice(i).find(isBelow);
    const place = next ? merged.findIndex(({ id }) => id === next.id) : merged.length;
    merged.splice(place, 0, entry);
  });
  return merged.map((entry, i) => ({ ...entry, number: i + 1 }));
}

function mergeData(below: unknown, above: unknown): unknown {
  if (above === undefined) return below;
  if (!isData(below) || !isData(above)) return above;
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) merged[key] = mergeData(below[key], value);
  return merged;
}

/** True for a map; false for lists, scalars and null. */
export function isData(value: unknown): value is Data {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
