import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { type FinishedCase, fileNameOf } from '../case.js';
import type { CaseNote } from './draw.js';
import type { LaneSamples } from './lanes.js';

/** A case that ended well, as a report shows it. */
export interface ReportCase extends FinishedCase {
  /** What pictures there are of it; undefined for none. */
  readonly note?: CaseNote;
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
  /** What `run.json` says; empty for a run that was killed. */
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
  readonly seconds?: number;
  readonly device?: string;
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
): Promise<ReportData> {
  const noted: ReportCase[] = [];
  // One after the other: a dataset may have more cases than a process may open files.
  for (const { id, metrics, timings } of cases) {
    const note = await readJson<CaseNote>(join(folder, casesFolder, caseFolder(id), 'case.json'));
    noted.push({ id, metrics, timings, note });
  }
  const failures = await readFile(join(output, 'failures.csv'), 'utf8').catch(() => '');
  return {
    cases: noted,
    failures: parse(failures, { columns: true }),
    run: (await readRunRecord(output)) ?? {},
    lanes: await readJson(join(folder, lanesFile)),
  };
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
