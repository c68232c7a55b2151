import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'csv-parse/sync';
import type { FinishedCase } from '../case.js';
import { messageOf, OptionError, show } from '../errors.js';
import { readCsvText } from '../harmless.js';
import { maskOf, revealEnvironment } from '../mask.js';
import { readColumns } from '../metrics/describeColumns.js';
import { columnReader, type FindMetric } from '../metrics/parseColumn.js';
import { parseMetrics } from '../metrics/parseMetrics.js';
import type { OptionsOf } from '../options.js';
import { type DrawRequest, pictureFiles } from '../report/draw.js';
import { addNotes } from '../report/notesFiles.js';
import {
  caseFolder,
  casesFolder,
  type ReportData,
  type RunRecord,
  readNote,
  readRunRecord,
  sinkOptions,
} from '../report/read.js';
import type { Subgrouping } from '../report/subgroups.js';
import { writeReport } from '../report/write.js';
import type { Runtime } from '../runtime/runtime.js';
import { drawCaseTask, type reportSink } from '../sinks/report.js';
import { type CaseFiles, findCaseFiles, modified, newestFile, withLocalFiles } from './caseFiles.js';
import { Journal, type JournalEntry } from './journal.js';
import { createRegistry, metricFinder } from './registry.js';
import { isInside } from './targets.js';

/** A report that was made from a run's folder. */
export interface RemadeReport {
  /** The report's folder, with `index.html`. */
  readonly folder: string;
  readonly data: ReportData;
  /** The number of cases that were drawn just now. */
  readonly drawn: number;
  /** Why cases have no pictures, or not all, by their ids. */
  readonly unpictured: ReadonlyMap<string, string>;
}

/** What a report shows besides the run. */
export interface ReportExtras {
  /** Columns that divide the cases. */
  readonly subgroups?: readonly Subgrouping[];
  /** A file with notes on cases. They are added to those of `notes.json` in the report's folder. */
  readonly notes?: string;
  /** Where a file of the run's folder is, if the folder is a copy. Default: where it is on this machine. */
  readonly origin?: (file: string) => string;
}

/**
 * Makes the report of a run that finished, was killed or is still running, from its folder: the journal (or
 * `metrics.csv` and `timings.csv` if there is no journal), `failures.csv`, `run.json`, and the pictures of
 * the sink `report`. Cases without pictures are drawn now if the image and the segmentations are still where
 * the run had them; cases whose files have changed since they were drawn are drawn again.
 *
 * @param output The folder of the run.
 * Values of environment variables that the run has hidden in paths are taken from this process, and stay
 * hidden in what is written.
 *
 * @throws OptionError when the folder is not that of a run, names files outside of it for its results, or
 * hides an environment variable in their names that is not set.
 * @throws DataError when `metrics.csv` is damaged, or the report cannot be written.
 */
export async function remakeReport(
  output: string,
  runtime: Runtime,
  onCase: (done: number, of: number) => void = () => {},
  { subgroups, notes, origin = (file) => file }: ReportExtras = {},
): Promise<RemadeReport> {
  const run = await readRunRecord(output);
  const find = metricFinder(createRegistry());
  const entries = await new Journal(output).read(find);
  const cases = await finishedCases(output, run, entries, find);
  if (!run && cases.length === 0) {
    throw new OptionError(
      `${output} is not the folder of a run: it has no run.json, and no cases in .voxstream/journal.jsonl or ` +
        'metrics.csv. Give the folder that is the output of the pipeline.',
    );
  }
  const options: OptionsOf<typeof reportSink> =
    (run && sinkOptions<OptionsOf<typeof reportSink>>(run, 'report')) ?? {};
  const folder = pathInside(output, options.dir ?? 'report', 'report.dir');
  if (notes !== undefined) await addNotes(notes, folder);
  const unpictured = new Map<string, string>();
  let drawn = 0;
  let seen = 0;
  const picture = async ({ id }: FinishedCase) => {
    const outcome = await runtime.on('io', () =>
      drawAgain(id, entries.get(id), { folder, options, runtime, origin }),
    );
    if (outcome.drawn) drawn++;
    if (outcome.missing) unpictured.set(id, outcome.missing);
    onCase(++seen, cases.length);
  };
  await Promise.all(cases.map(picture));
  const data = await writeReport(output, folder, cases, unpictured, subgroups);
  return { folder, data, drawn, unpictured };
}

/** A path that `run.json` names, which a sink of the run wrote to. */
function pathInside(output: string, path: string, option: string): string {
  const real = revealEnvironment(path);
  const [hidden] = /\$\{env\.[^{}]*\}/.exec(real) ?? [];
  const place = join(output, 'run.json');
  if (hidden) {
    const name = hidden.slice('${env.'.length, -1);
    throw new OptionError(
      `${place}: ${option} is ${show(path)}, which hides the value of the environment variable ${name}. Set ` +
        `${name} to the value that it had in the run.`,
    );
  }
  // As for the run, whose results are inside its folder.
  const found = resolve(output, real);
  if (isInside(resolve(output), join(found, 'file'))) return found;
  throw new OptionError(
    `${place}: ${option} is ${show(path)}, which is outside the run's folder. No run writes there; remove the ` +
      'option from run.json.',
  );
}

/** The finished cases, in dataset order as far as it is known. */
async function finishedCases(
  output: string,
  run: RunRecord | undefined,
  entries: ReadonlyMap<string, JournalEntry>,
  find: FindMetric,
): Promise<FinishedCase[]> {
  const timings = await readTimings(join(output, 'timings.csv'));
  if (entries.size > 0) {
    // The timings are in dataset order once a run has ended. Cases without timings come last.
    const order = [...new Set([...timings.keys(), ...entries.keys()])];
    return order.flatMap((id) => {
      const entry = entries.get(id);
      return entry ? [{ id, metrics: entry.metrics, timings: entry.timings }] : [];
    });
  }
  const options = run && sinkOptions<{ path?: string }>(run, 'metricsCsv');
  const file = pathInside(output, options?.path ?? 'metrics.csv', 'metricsCsv.path');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return [...timings].map(([id, seconds]) => ({ id, metrics: [], timings: seconds }));
  const columnOf = columnReader(readColumns(run?.['columns']), find);
  // If no case finished, the file has only its header.
  const rows = text.trim().includes('\n') ? parseMetrics(text, file, columnOf) : [];
  return rows.map(({ case: id, metrics }) => ({ id, metrics, timings: timings.get(id) ?? {} }));
}

/** Reads the seconds per step of each case from `timings.csv`; empty if the file is missing. */
async function readTimings(file: string): Promise<Map<string, Record<string, number>>> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const rows: Record<string, string>[] = parse(text, { columns: true, relax_column_count: true });
  return new Map(
    rows.map(({ case: id, ...steps }) => [
      readCsvText(id),
      Object.fromEntries(
        Object.entries(steps).flatMap(([step, seconds]) =>
          seconds ? [[readCsvText(step), Number(seconds)]] : [],
        ),
      ),
    ]),
  );
}

/**
 * Draws a case unless its pictures are complete and newer than what they show. `missing` says what is not
 * shown.
 */
async function drawAgain(
  id: string,
  entry: JournalEntry | undefined,
  {
    folder,
    options,
    runtime,
    origin,
  }: {
    readonly folder: string;
    readonly options: OptionsOf<typeof reportSink>;
    readonly runtime: Runtime;
    readonly origin: (file: string) => string;
  },
): Promise<{ drawn: boolean; missing?: string }> {
  const target = join(folder, casesFolder, caseFolder(id));
  const note = await readNote(folder, id);
  if (note) {
    const made = await Promise.all(pictureFiles(note).map((name) => modified(join(target, name))));
    // The sink's pictures show the volumes in memory, so later changes of files do not matter.
    const caseFile = origin(join(target, 'case.json'));
    const own = entry?.outputs.some(({ path }) => revealEnvironment(path) === caseFile);
    const newest = own ? 0 : await newestFile(entry);
    if (made.every((time) => time > 0 && time >= newest)) return { drawn: false };
  }
  if (!entry?.volumes) return { drawn: false, missing: 'The run did not record where the image is.' };
  const { files, missing, secrets } = await findCaseFiles(entry, options);
  if (Object.keys(files).length === 0) return { drawn: false, missing };
  const { window, slices } = options;
  const request = ({ image, prediction, reference }: CaseFiles['files']): DrawRequest => ({
    case: id,
    folder: target,
    ...(image && { image }),
    ...(files.image && { imageName: files.image }),
    masks: { ...(prediction && { prediction }), ...(reference && { reference }) },
    ...(entry.labelNames && { labelNames: entry.labelNames }),
    ...(window && { window }),
    ...(slices !== undefined && { slices }),
    notes: entry.notes,
    secrets,
  });
  try {
    await withLocalFiles(files, (here) => runtime.run(drawCaseTask, request(here)));
    return { drawn: true, ...(missing && { missing }) };
  } catch (error) {
    return { drawn: false, missing: maskOf({ secrets })(messageOf(error)) };
  }
}
