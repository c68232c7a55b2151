import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { type FinishedCase, fileNameOf } from '../case.js';
import { readCsvText } from '../harmless.js';
import { tabulate } from '../metrics/columns.js';
import type { MetricsRow, MetricValue } from '../metrics/metric.js';
import { predictedVolume, referenceVolume } from '../metrics/volumes.js';
import type { CaseNote } from './caseNote.js';
import type { LaneSamples } from './lanes.js';
import { type NotesOfFolder, notesOrFault } from './notesFiles.js';
import type { Subgrouping } from './subgroups.js';

/** A finished case, as a report shows it. */
export interface ReportCase extends FinishedCase {
  /** What was drawn of it; undefined if nothing was. */
  readonly note?: CaseNote;
  /** Why pictures are missing, if the reason is known. */
  readonly unpictured?: string;
}

/** A row of `failures.csv`. */
export interface ReportFailure {
  readonly case: string;
  readonly step: string;
  readonly message: string;
}

/** The data that a report is made from. */
export interface ReportData extends NotesOfFolder {
  /** In dataset order. */
  readonly cases: readonly ReportCase[];
  readonly failures: readonly ReportFailure[];
  /** The content of `run.json`; empty if the file is missing. */
  readonly run: RunRecord;
  readonly lanes?: LaneSamples;
  readonly subgroups?: readonly Subgrouping[];
}

/** The fields of `run.json` that a report uses. */
export interface RunRecord {
  readonly pipeline?: {
    readonly name?: string;
    readonly sinks?: readonly Readonly<Record<string, unknown>>[];
    readonly runtime?: { readonly seed?: number };
  };
  readonly started?: string;
  /** Wall time; undefined for a run that is still running, or was killed. */
  readonly seconds?: number;
  /** The number of cases that the run was started with. */
  readonly cases?: number;
  readonly models?: readonly { readonly name: string; readonly sha256?: string }[];
  readonly device?: string;
  readonly interrupted?: boolean;
  /** Per lane, the share of its places that was busy, 0 to 1. */
  readonly lanes?: Readonly<Record<string, number>>;
  readonly [key: string]: unknown;
}

/** The file in a report's folder that says how busy the lanes were. */
export const lanesFile = 'lanes.json';

/** The folder in a report's folder that has a folder for each case. */
export const casesFolder = 'cases';

/**
 * The name of the folder with a case's pictures. A hash keeps ids apart that would give the same file name.
 */
export function caseFolder(id: string): string {
  const name = fileNameOf(id);
  return name === id ? name : `${name}-${createHash('sha256').update(id).digest('hex').slice(0, 8)}`;
}

/**
 * Reads the data of a report.
 *
 * @param output The folder of the run, with `run.json` and `failures.csv`.
 * @param folder The folder of the report, with the pictures.
 * @param unpictured Why cases have no pictures, by their ids.
 */
export async function readReportData(
  output: string,
  folder: string,
  cases: readonly FinishedCase[],
  unpictured: ReadonlyMap<string, string>,
): Promise<ReportData> {
  const noted: ReportCase[] = [];
  // One by one: a dataset may have more cases than a process may have open files.
  for (const { id, metrics, timings } of cases) {
    const note = await readNote(folder, id);
    noted.push({ id, metrics, timings, note, unpictured: unpictured.get(id) });
  }
  return {
    cases: withVolumes(noted),
    failures: await readFailures(output),
    run: (await readRunRecord(output)) ?? {},
    lanes: await readJson(join(folder, lanesFile)),
    ...(await notesOrFault(folder)),
  };
}

/** Reads the failures of a run; empty if the file is missing. */
export async function readFailures(output: string): Promise<ReportFailure[]> {
  const text = await readFile(join(output, 'failures.csv'), 'utf8').catch(() => '');
  // A killed run may have left half a line.
  return parse(text, {
    columns: true,
    relax_column_count: true,
    skip_records_with_error: true,
    cast: readCsvText,
  });
}

/** Reads what was drawn of a case; undefined if nothing was. */
export function readNote(folder: string, id: string): Promise<CaseNote | undefined> {
  return readJson(join(folder, casesFolder, caseFolder(id), 'case.json'));
}

/** The metrics of cases as rows of a table. */
export function metricsRows(cases: readonly FinishedCase[]): MetricsRow[] {
  return cases.map(({ id, metrics }) => ({ case: id, metrics }));
}

/**
 * The cases with the volumes that were measured for the pictures, if the run did not measure any. Volumes are
 * left out if their columns would be ambiguous because of the names of labels.
 */
function withVolumes(cases: readonly ReportCase[]): readonly ReportCase[] {
  const isVolume = ({ metric }: MetricValue) => metric.name === predictedVolume.name;
  const measured = cases.map((one) =>
    one.metrics.some(isVolume) ? one : { ...one, metrics: [...one.metrics, ...volumesOf(one)] },
  );
  try {
    tabulate(metricsRows(measured));
    return measured;
  } catch {
    return cases;
  }
}

function volumesOf({ note }: ReportCase): MetricValue[] {
  return (note?.labels ?? []).flatMap(({ name: label, prediction, reference }) => [
    ...(prediction === null ? [] : [{ metric: predictedVolume, label, value: prediction }]),
    ...(reference === null ? [] : [{ metric: referenceVolume, label, value: reference }]),
  ]);
}

/** The options of a run's first sink with a name; undefined if it has none. */
export function sinkOptions<Options>({ pipeline }: RunRecord, name: string): Options | undefined {
  return pipeline?.sinks?.find((sink) => name in sink)?.[name] as Options | undefined;
}

/** Reads a run's `run.json`; undefined if it is missing or damaged. */
export function readRunRecord(output: string): Promise<RunRecord | undefined> {
  return readJson(join(output, 'run.json'));
}

/** Reads a JSON file that voxstream wrote; undefined if it is missing or damaged. */
async function readJson<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}
