import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isAddress, shownPlace, unsignedPlace } from '../address.js';
import type { Case, CaseFile } from '../case.js';
import { type FilePlace, findFile } from '../formats/archives.js';
import { makeFolder, writeFault } from '../formats/aside.js';
import { writeFileAside } from '../formats/files.js';
import { mapPaths } from '../formats/inputFiles.js';
import { maskOf, revealer, type Secrets } from '../mask.js';
import { type Column, Columns } from '../metrics/columns.js';
import { type ColumnDescription, describeColumns, readColumns } from '../metrics/describeColumns.js';
import type { MetricValue } from '../metrics/metric.js';
import { columnReader, type FindMetric } from '../metrics/parseColumn.js';
import { type JsonValues, valuesFromJson, valuesToJson } from '../metrics/valuesAsJson.js';
import { isRemote, type RemoteCase } from '../sources/define.js';
import { findAddress, type RemotePlace, readAddress } from '../storage/places.js';

/** The state of a file, for detecting changes. */
export interface FileState {
  readonly path: string;
  /** Bytes; -1 for a missing file. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
  /** A text that changes if the content does, e.g. an ETag; only of files at addresses. */
  readonly tag?: string;
  /** The SHA-256 of its content; only in runs with `--resume=checksum`. */
  readonly sha256?: string;
}

/** The record of a finished case. */
export interface JournalEntry {
  readonly case: string;
  /** The version of voxstream. */
  readonly version: string;
  /** The fingerprint of its steps, sinks and models. */
  readonly pipeline: string;
  /** The fingerprint of what the dataset says of it: see `itemFingerprint`. Older journals lack it. */
  readonly dataset?: string;
  /** The execution provider that ran its models; missing without models. */
  readonly provider?: string;
  readonly inputs: readonly FileState[];
  readonly outputs: readonly FileState[];
  readonly metrics: readonly MetricValue[];
  readonly timings: Readonly<Record<string, number>>;
  /**
   * The file of each of its volumes, by key: the one it was read from, else the one it was saved to. Absolute
   * paths.
   */
  readonly volumes: Readonly<Record<string, CaseFile>>;
  readonly labelNames?: Readonly<Record<number, string>>;
  /** What was assumed about its data. */
  readonly notes?: readonly string[];
}

/** An entry as a line of the journal. A column is described in the first line that has it. */
interface JournalLine extends Omit<JournalEntry, 'metrics'> {
  readonly metrics: JsonValues;
  readonly columns?: Readonly<Record<string, ColumnDescription>>;
}

const channelFiles = z.object({ channels: z.array(z.string()) });

const fileState = z.object({
  path: z.string(),
  size: z.number(),
  modified: z.number(),
  tag: z.string().optional(),
  sha256: z.string().optional(),
});

/** A `JournalLine`, checked as it is read. */
const journalLine = z.object({
  case: z.string(),
  version: z.string(),
  pipeline: z.string(),
  dataset: z.string().optional(),
  provider: z.string().optional(),
  inputs: z.array(fileState),
  outputs: z.array(fileState),
  metrics: z.record(z.string(), z.union([z.number(), z.string()])),
  columns: z.unknown().optional(),
  timings: z.record(z.string(), z.number()),
  volumes: z.record(
    z.string(),
    z.union([
      z.string(),
      channelFiles,
      z.object({
        file: z.union([z.string(), channelFiles]),
        spacing: z.tuple([z.number(), z.number(), z.number()]),
      }),
      z.object({
        series: z.array(z.string()),
        part: z.string().optional(),
        irregular: z.enum(['refuse', 'resample']).optional(),
        missing: z.enum(['refuse', 'resample']).optional(),
        segmentation: z.string().optional(),
      }),
    ]),
  ),
  labelNames: z.record(z.string(), z.string()).optional(),
  notes: z.array(z.string()).optional(),
});

/** The current state of files; a missing one has size -1. With `contents`, their SHA-256 as well. */
export async function stateOf(paths: readonly string[], contents = false): Promise<FileState[]> {
  const places = await Promise.all(paths.map(placeOf));
  const states: FileState[] = [];
  // One by one: a series may have more files than a process may have open.
  for (const [i, path] of paths.entries()) {
    const place = places[i];
    const { size, modified } = place ?? { size: -1, modified: 0 };
    const tag = place && 'tag' in place ? place.tag : undefined;
    const sha256 = place && contents && (await checksumOf(place));
    states.push({ path: shownPlace(path), size, modified, ...(tag && { tag }), ...(sha256 && { sha256 }) });
  }
  return states;
}

/**
 * Where a file is; undefined if it is missing or cannot be examined. An address that does not answer throws.
 */
function placeOf(path: string): Promise<FilePlace | RemotePlace | undefined> {
  return isAddress(path) ? findAddress(path) : findFile(path).catch(() => undefined);
}

async function checksumOf(place: FilePlace | RemotePlace): Promise<string> {
  const hash = createHash('sha256');
  if ('address' in place) for await (const chunk of readAddress(place)) hash.update(chunk);
  else if (place.size > 0) {
    const { file, offset, size } = place;
    const range = { start: offset, end: offset + size - 1, highWaterMark: 2 ** 20 };
    for await (const chunk of createReadStream(file, range)) hash.update(chunk);
  }
  return hash.digest('hex');
}

/**
 * The first of `then` that `now` does not contain in the same state; undefined if there is none. Contents are
 * compared where both have their checksums, otherwise sizes, times and tags.
 */
export function changedFile(then: readonly FileState[], now: readonly FileState[]): FileState | undefined {
  const byPath = new Map(now.map((file) => [file.path, file]));
  return then.find(({ path, size, modified, tag, sha256 }) => {
    const file = byPath.get(path);
    if (file?.sha256 && sha256) return file.sha256 !== sha256;
    if (file?.tag && tag && file.tag !== tag) return true;
    return file?.size !== size || file.modified !== modified;
  });
}

/** A hash of what a dataset says of a case: its files by key, and the names of its labels. */
export function itemFingerprint(item: Case | RemoteCase): string {
  if (isRemote(item)) return item.fingerprint;
  const { labelNames = {} } = item;
  // A signature changes each time that an address is signed.
  const files = Object.fromEntries(
    Object.entries(item.files).map(([key, file]) => [key, mapPaths(file, unsignedPlace)]),
  );
  const sorted = (map: object) => Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
  return fingerprint(sorted(files), sorted(labelNames));
}

/** A hash of JSON values: of everything about a pipeline that decides a case's results. */
export function fingerprint(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/**
 * A line of the journal, without the line break.
 *
 * @param secrets Environment variables whose values are hidden in its texts; see `maskOf`.
 * @param described The names of columns that earlier lines describe; those of this line are added.
 */
export function journalText(
  { metrics, ...entry }: JournalEntry,
  secrets: Secrets,
  described: Set<string> = new Set(),
): string {
  const columns = new Columns();
  const values = columns.add(metrics);
  const added = columns.all().filter(({ name }) => !described.has(name));
  const { inputs, outputs, volumes, notes } = entry;
  const line: JournalLine = {
    ...entry,
    ...maskOf({ secrets })({ inputs, outputs, volumes, notes }),
    metrics: valuesToJson(values),
    ...(added.length > 0 && { columns: describeColumns(added) }),
  };
  for (const { name } of added) described.add(name);
  return JSON.stringify(line);
}

/**
 * Returns a reader of lines of a journal, which has to get them in order: a column is described in the first
 * line that has it. It returns undefined for a line that is incomplete, e.g. after a crash.
 *
 * @param secrets Environment variables whose values are put back in paths; other names of variables stay.
 * @param find Finds the metrics of columns that are not described, as in journals of older versions.
 */
export function journalReader(
  secrets: Secrets,
  find: FindMetric = () => undefined,
): (line: string) => JournalEntry | undefined {
  const described = new Map<string, Column>();
  const columnOf = columnReader(described, find);
  const reveal = revealer((name) => secrets.get(name));
  return (line) => {
    try {
      const { metrics, columns, ...entry } = journalLine.parse(JSON.parse(line));
      for (const [name, column] of readColumns(columns)) described.set(name, column);
      const { inputs, outputs, volumes } = entry;
      return {
        ...entry,
        ...reveal({ inputs, outputs, volumes }),
        metrics: valuesFromJson(metrics, columnOf),
      };
    } catch {
      return undefined;
    }
  };
}

/**
 * The list of finished cases in a run's folder (`.voxstream/journal.jsonl`, one JSON line each). A line is
 * appended once all results of a case are on disk, so the cases it lists survive a crash. An incomplete line
 * is ignored, so its case is run again.
 */
export class Journal {
  readonly #file: string;
  /** The names of the columns that the file describes. */
  readonly #described = new Set<string>();

  /**
   * @param secrets Environment variables whose values are hidden in its texts; see `maskOf`.
   * @param saveLine Called with the line of each case that ends, which describes all of its columns.
   */
  constructor(
    output: string,
    readonly secrets: Secrets = new Map(),
    readonly saveLine?: (id: string, line: string) => Promise<void>,
  ) {
    this.#file = join(output, '.voxstream', 'journal.jsonl');
  }

  /** Reads the finished cases of earlier runs, by id; see `journalReader`. */
  async read(find?: FindMetric): Promise<Map<string, JournalEntry>> {
    const entries = new Map<string, JournalEntry>();
    const read = journalReader(this.secrets, find);
    const text = await readFile(this.#file, 'utf8').catch(() => '');
    for (const line of text.split('\n')) {
      const entry = read(line);
      if (entry) entries.set(entry.case, entry);
    }
    return entries;
  }

  /** Replaces the journal with the entries that still hold. */
  async start(entries: Iterable<JournalEntry>): Promise<void> {
    await makeFolder(dirname(this.#file)).catch((error) => {
      throw writeFault(this.#file, error);
    });
    this.#described.clear();
    const lines = [...entries].map((entry) => `${journalText(entry, this.secrets, this.#described)}\n`);
    await writeFileAside(this.#file, lines.join(''));
  }

  async append(entry: JournalEntry): Promise<void> {
    const described = new Set(this.#described);
    const line = journalText(entry, this.secrets, described);
    // Begins with a line break too, so that it does not continue an incomplete line.
    await appendFile(this.#file, `\n${line}\n`, { flush: true }).catch((error) => {
      throw writeFault(this.#file, error);
    });
    for (const name of described) this.#described.add(name);
    await this.saveLine?.(entry.case, journalText(entry, this.secrets));
  }
}
