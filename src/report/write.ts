import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FinishedCase } from '../case.js';
import { writeFileAside } from '../formats/files.js';
import { type ReportData, readReportData } from './read.js';
import { reportPage } from './reportPage.js';
import type { Subgrouping } from './subgroups.js';

/**
 * Writes `index.html` into a report's folder.
 *
 * @param output The folder of the run, with `run.json` and `failures.csv`.
 * @param folder The folder of the report, with the pictures.
 * @param cases The finished cases, in dataset order.
 * @param unpictured Why cases have no pictures, by their ids.
 * @param subgroups Columns that divide the cases.
 *
 * @throws DataError when the page cannot be written.
 */
export async function writeReport(
  output: string,
  folder: string,
  cases: readonly FinishedCase[],
  unpictured: ReadonlyMap<string, string> = new Map(),
  subgroups: readonly Subgrouping[] = [],
): Promise<ReportData> {
  const data = { ...(await readReportData(output, folder, cases, unpictured)), subgroups };
  await writeFileAside(join(folder, 'index.html'), reportPage(data, await browserScript('page')));
  return data;
}

/** A script for browsers in one piece, as `scripts/bundle.mjs` made it when the package was built. */
export function browserScript(name: 'page' | 'viewer'): Promise<string> {
  return readFile(new URL(`./scripts/${name}.js`, import.meta.url), 'utf8');
}
