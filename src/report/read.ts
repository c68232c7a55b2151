import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { type FinishedCase, fileNameOf } from '../case.js';
import { parseColumn } from '../metrics/columns.js';
import type { CaseNote } from './caseNote.js';
import type { LaneSamples } from './lanes.js';

/** A case that ended well, as a report shows it. */
export interface ReportCase extends FinishedCase {
  /** What pictures there are of it; undefined for none. */
  readonly note?: CaseNote;
  /** Why pictures are missing, where that is known. */
  readonly unpictured?: string;
}

/** A row of `failures.csv`. */
export interface ReportFailure {
  readonly case: string;
  readonly step: string;
  readonly message: string;
}

/** What a report is made of. */
export interface ReportData {
  /** In dataset order. */
  readonly cases: readonly ReportCase[];
  readonly failures: readonly ReportFailure[];
  /** What `run.json` says; empty where there is none. */
  readonly run: RunRecord;
  readonly lanes?: LaneSamples;
}

/** The parts of `run.json` that a report knows; all others are shown as they are. */
export interface RunRecord {
  readonly pipeline?: {
    readonly name?: string;
    readonly sinks?: readonly Readonly<Record<string, unknown>>[];
    readonly runtime?: { readonly seed?: number };
  };
  readonly started?: string;
  /** Wall time; undefined for a run that is still going on, or was killed. */
  readonly seconds?: number;
  /** How many cases the run was to do. */
  readonly cases?: number;
  readonly models?: readonly { readonly name: string; readonly sha256?: string }[];
  readonly device?: string;
  readonly interrupted?: boolean;
  /** The share of its places that each lane had busy, 0 to 1. */
  readonly lanes?: Readonly<Record<string, number>>;
  readonly [key: string]: unknown;
}

/** In a report's folder: how busy the lanes were. */
export const lanesFile = 'lanes.json';

/** In a report's folder: where the folders of the cases are. */
export const casesFolder = 'cases';

/** The name of the folder with a case's pictures. Ids that make the same file name get folders of their own. */
export function caseFolder(id: string): string {
  const name = fileNameOf(id);
  return name === id ? name : `${name}-${createHash('sha256').update(id).digest('hex').slice(0, 8)}`;
}

/** Reads what a report is made of: what a run left in its folder besides `cases`, and what the report sink left in `folder`. */
export async function readReportData(
  output: string,
  folder: string,
  cases: readonly FinishedCase[],
  unpictured: ReadonlyMap<string, string>,
): Promise<ReportData> {
  const noted: ReportCase[] = [];
  // One after the other: a dataset may have more cases than a process may open files.
  for (const { id, metrics, timings } of cases) {
    const note = await readNote(folder, id);
    noted.push({ id, metrics: withVolumes(metrics, note), timings, note, unpictured: unpictured.get(id) });
  }
  const failures = await readFile(join(output, 'failures.csv'), 'utf8').catch(() => '');
  return {
    cases: noted,
    // A killed run may have left half a line.
    failures: parse(failures, { columns: true, relax_column_count: true, skip_records_with_error: true }),
    run: (await readRunRecord(output)) ?? {},
    lanes: await readJson(join(folder, lanesFile)),
  };
}

/** What is known of a case's pictures in a report's folder; undefined when there are none. */
export function readNote(folder: string, id: string): Promise<CaseNote | undefined> {
  return readJson(join(folder, casesFolder, caseFolder(id), 'case.json'));
}

/** The metrics with the volumes that were measured for the pictures, where the run measured none itself. */
function withVolumes(metrics: FinishedCase['metrics'], note: CaseNote | undefined): FinishedCase['metrics'] {
  if (Object.keys(metrics).some((column) => parseColumn(column)?.metric === 'volume_ml')) return metrics;
  const measured = (note?.labels ?? []).flatMap(({ name, prediction, reference }) => [
    ...(prediction === null ? [] : [[`volume_ml_${name}`, prediction] as const]),
    ...(reference === null ? [] : [[`volume_ml_ref_${name}`, reference] as const]),
  ]);
  return { ...metrics, ...Object.fromEntries(measured) };
}

/** The options of a run's first sink of a kind; undefined when it has none. */
export function sinkOptions<Options>({ pipeline }: RunRecord, name: string): Options | undefined {
  return pipeline?.sinks?.find((sink) => name in sink)?.[name] as Options | undefined;
}

/** What a run's `run.json` says; undefined where there is none. */
export function readRunRecord(output: string): Promise<RunRecord | undefined> {
  return readJson(join(output, 'run.json'));
}

/** A file that voxstream wrote; undefined where there is none, or only a damaged one. */
async function readJson<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}
